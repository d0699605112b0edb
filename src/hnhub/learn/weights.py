"""What becomes of a model's weights around a training: adapters that are folded in, an average with the model before."""

from typing import Any

from hnhub.errors import MissingExtra, UsageError

__all__ = ["add_adapters", "average", "fold_adapters", "is_static", "weights_of"]


def is_static(model: Any) -> bool:
    """Whether the model looks its tokens up in a table and averages, so that it has no transformer."""
    return type(next(iter(model.children()), None)).__name__ == "StaticEmbedding"


def weights_of(model: Any) -> dict[str, Any]:
    """A copy of every weight, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def average(model: Any, before: dict[str, Any], share: float) -> None:
    """Set each weight to `share` of what it was before plus the rest of what it is (WiSE-FT, Wortsman et al. 2022)."""
    import torch

    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point() and name in before:
                value.mul_(1 - share).add_(before[name].to(value.device, value.dtype), alpha=share)


def add_adapters(model: Any, rank: int) -> None:
    """Train low-rank adapters (LoRA) of every linear layer instead of the weights. Raises MissingExtra without peft."""
    if is_static(model):
        raise UsageError("static embeddings have no layers for adapters", do="leave out --lora")
    try:
        from peft import LoraConfig
    except ImportError:
        raise MissingExtra("peft, which --lora needs,", extra="lora") from None
    config = LoraConfig(
        task_type="FEATURE_EXTRACTION", r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear"
    )
    model.add_adapter(config)


def fold_adapters(model: Any) -> None:
    """Add the adapters to the weights that they stand beside, so that the model is saved whole, and needs no peft."""
    from peft.tuners.lora import LoraLayer

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LoraLayer):
                child.merge()
                setattr(parent, name, child.get_base_layer())
    for module in model.modules():
        if getattr(module, "_hf_peft_config_loaded", False):
            setattr(module, "_hf_peft_config_loaded", False)  # noqa: B010 - transformers has no other way
            del module.peft_config
