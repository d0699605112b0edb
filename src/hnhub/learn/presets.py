"""How families of bi-encoders want to be used and fine-tuned, as data. Anything else is set by flags."""

from dataclasses import dataclass
from fnmatch import fnmatch

from hnhub.errors import UsageError

__all__ = ["PRESETS", "Preset", "find_preset"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a model family was trained with. None leaves what the model's own files say."""

    name: str
    models: tuple[str, ...] = ()
    """Patterns of Hub ids or folder names, in lower case."""
    query_prefix: str = ""
    document_prefix: str = ""
    pooling: str | None = None
    """`mean` or `cls`."""
    normalise: bool | None = None
    temperature: float = 0.05
    """Of the contrastive loss; similarities are divided by it."""
    learning_rate: float = 2e-5
    max_length: int | None = None
    source: str
    """Where these values are published."""


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="e5",
            models=("*e5-small*", "*e5-base*", "*e5-large*"),
            query_prefix="query: ",
            document_prefix="passage: ",
            pooling="mean",
            normalise=True,
            temperature=0.01,
            learning_rate=2e-5,
            max_length=512,
            source="Wang et al. 2022 (arXiv 2212.03533) and the model cards of intfloat/e5-*",
        ),
        Preset(
            name="gte",
            models=("*gte-small*", "*gte-base*", "*gte-large*"),
            pooling="mean",
            normalise=True,
            temperature=0.01,
            learning_rate=2e-5,
            max_length=512,
            source="Li et al. 2023 (arXiv 2308.03281) and the model cards of thenlper/gte-*",
        ),
        Preset(
            name="bert",
            models=("*bert-base*", "*distilbert*", "*minilm-l*-h384*", "*mpnet-base"),
            pooling="mean",
            normalise=True,
            temperature=0.05,
            learning_rate=2e-5,
            max_length=256,
            source="Reimers and Gurevych 2019 (arXiv 1908.10084); sentence-transformers' default scale of 20",
        ),
        Preset(name="plain", source="the model's own files; sentence-transformers' default scale of 20"),
    )
}


def find_preset(model: str, name: str | None = None) -> Preset:
    """The preset of that name, else the first whose patterns match the model's id, else `plain`. Raises UsageError."""
    if name is not None and name not in PRESETS:
        raise UsageError(f"no preset {name!r}", do=f"use one of: {', '.join(PRESETS)}")
    if name is not None:
        return PRESETS[name]
    # Instruction-tuned relatives share the name, not the prefixes; the later GTE models are pooled by CLS.
    if "instruct" in model.lower() or "-v1.5" in model.lower():
        return PRESETS["plain"]
    matches = (p for p in PRESETS.values() if any(fnmatch(model.lower(), pattern) for pattern in p.models))
    return next(matches, PRESETS["plain"])
