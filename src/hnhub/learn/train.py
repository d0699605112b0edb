"""Fine-tune a bi-encoder on a published dataset, with sentence-transformers' trainer."""

import copy
import json
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from hnhub.encode.devices import body_dtype, devices
from hnhub.encode.models import ModelRef, held, quiet_loading
from hnhub.encode.presets import PRESETS, choose_prompts, find_preset
from hnhub.errors import InputError, MissingExtra, UsageError
from hnhub.learn.metrics import score
from hnhub.learn.model_card import render_model_card
from hnhub.learn.runs import run_of_matrix
from hnhub.learn.training_data import TrainingData
from hnhub.progress import report
from hnhub.stages import StageRecord, fingerprint, finished, run_stage, write_atomically

if TYPE_CHECKING:
    import datasets
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer

__all__ = ["LOSSES", "TrainSettings", "settings_for", "train", "train_stage"]

log = logging.getLogger(__name__)

_TENSORBOARD = os.environ.get("TENSORBOARD_LOGGING_DIR")

CODE_VERSION = 2
"""Raise it when the same data and settings would give another model."""

LOSSES = ("ranking", "margin-mse", "kl")
"""Contrastive (MultipleNegativesRanking), or distilled from a scored config: MarginMSE, listwise KL divergence."""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Every decision of a training. `settings_for` fills in what a preset says."""

    loss: Literal["ranking", "margin-mse", "kl"] = "ranking"
    epochs: float = 1.0
    batch: int = 64
    """Rows a step and device. Each query is told apart from every passage of its batch, so larger is harder."""
    cached: bool = True
    """GradCache (Gao et al. 2021): memory for `mini_batch` rows only, at the price of a second forward pass."""
    mini_batch: int = 16
    learning_rate: float = 2e-5
    warmup: float = 0.1
    """Share of the steps."""
    temperature: float
    teacher_temperature: float = 1.0
    """Of listwise distillation: match it to the spread of the teacher's scores."""
    max_length: int | None = None
    preset: str = "plain"
    query_prefix: str | None = None
    """None, for both: what is saved with the model, else the preset's."""
    document_prefix: str | None = None
    pooling: str | None = None
    normalise: bool | None = None
    seed: int = 0
    bf16: bool | None = None
    """None: where the device has units for it."""
    gradient_checkpointing: bool = False
    evaluations: int = 0
    """How often the held-out loss is measured and a checkpoint kept; the best one becomes the model. 0: never."""
    patience: int | None = None
    """Stop after so many evaluations without a better held-out loss."""
    reporter: str = "none"
    """`trackio`, `wandb`, `tensorboard` or any other that the trainer knows."""

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UsageError(f"no loss {self.loss!r}", do=f"use one of: {', '.join(LOSSES)}")
        if min(self.batch, self.mini_batch) < 1 or self.epochs <= 0 or self.temperature <= 0:
            raise UsageError("batch, mini batch, epochs and temperature must be above 0", do="correct the settings")
        if self.patience is not None and not self.evaluations:
            raise UsageError("early stopping needs evaluations", do="set evaluations, e.g. to 10")


def settings_for(model: str, preset: str | None = None, **given: Any) -> TrainSettings:
    """The preset's settings for a model, with those that are `given` (and not None) in their place."""
    found = find_preset(model, preset)
    known = set(TrainSettings.__dataclass_fields__)
    if unknown := [name for name in given if name not in known]:
        raise UsageError(f"no training setting {unknown[0]!r}", do=f"use one of: {', '.join(sorted(known))}")
    values = {name: getattr(found, name) for name in ("temperature", "pooling", "normalise", "max_length")}
    values |= {name: value for name, value in given.items() if value is not None}
    return TrainSettings(preset=found.name, **values)


def train_stage(
    folder: Path,
    data: TrainingData,
    model: ModelRef,
    settings: TrainSettings,
    facts: Mapping[str, Any] | None = None,
) -> StageRecord:
    """Train into `folder` unless it holds this very model; an interrupted training goes on from its checkpoint.

    Under torchrun every process calls this, the first one writes. `facts` (the leak check's) are recorded and printed in
    the model's card. Raises UsageError, before anything is loaded, if the settings' reporter is not installed.
    """
    _check_reporter(settings.reporter)
    # Else its files would lie with the checkpoints, which go when the model is finished.
    os.environ["TENSORBOARD_LOGGING_DIR"] = _TENSORBOARD or str(folder.parent / "tensorboard" / folder.name)
    parts = {
        "code": CODE_VERSION,
        "data": data.identity(),
        "model": model.identity(),
        "settings": {k: v for k, v in asdict(settings).items() if k not in ("reporter", "mini_batch")},
        "processes": _processes(),
        "facts": facts or {},
    }

    def make(out: Path, work: Path) -> dict[str, Any]:
        return train(out, work, data=data, model=model, settings=settings, facts=facts)

    if int(os.environ.get("RANK", "0")) == 0:
        return run_stage(folder, parts, make)
    if record := finished(folder, parts):
        return record
    key = fingerprint(parts)
    work = folder.parent / ".work" / f"{folder.name}-{key[:16]}"
    work.mkdir(parents=True, exist_ok=True)
    return StageRecord(key, {}, make(work / "not-first", work))


def _check_reporter(name: str) -> None:
    try:
        from transformers.integrations import integration_utils
    except ImportError:
        raise MissingExtra("transformers", extra="models") from None

    known = sorted(integration_utils.INTEGRATION_TO_CALLBACK)
    if name not in ("none", "all", *known):
        raise UsageError(f"no reporter {name!r}", do=f"use one of: none, all, {', '.join(known)}")
    if name in known and name not in integration_utils.get_available_reporting_integrations():
        raise UsageError(f"the reporter {name} is not installed", do=f"pip install {name}, or use another --reporter")


def train(
    out: Path,
    work: Path,
    *,
    data: TrainingData,
    model: ModelRef,
    settings: TrainSettings,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train and save the model and its card into `out`; checkpoints lie in `work`. Returns what was done and measured."""
    encoder, settings = _load(model, settings)
    before = _held_out_scores(encoder, data.held_out)
    trainer = _trainer(encoder, data, settings, work / "checkpoints")
    with quiet_loading():
        trainer.train(resume_from_checkpoint=_last_checkpoint(work / "checkpoints"))
    history = [
        {key: entry[key] for key in ("step", "loss", "eval_loss") if key in entry}
        for entry in trainer.state.log_history
        if "loss" in entry or "eval_loss" in entry
    ]
    found = {
        **data.identity(),
        "base_model": model.name,
        "base_revision": model.revision,
        "settings": asdict(settings),
        "trained_rows": data.rows.height,
        "held_out_rows": data.held_out.height,
        "dropped_rows": data.dropped,
        "steps": trainer.state.global_step,
        "processes": _processes(),
        "history": history,
        "held_out": {"before": before, "after": _held_out_scores(encoder, data.held_out)},
        **(facts or {}),
    }
    if trainer.is_world_process_zero():
        with quiet_loading():
            encoder.save_pretrained(str(out), create_model_card=False)
        write_atomically(out / "README.md", render_model_card(found))
        write_atomically(out / "training.json", json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return found


def _held_out_scores(model: "SentenceTransformer", rows: pl.DataFrame) -> dict[str, float] | None:
    """nDCG@10 and MRR@10 of finding each held-out query's positive among all held-out passages; None without rows.

    A small pool, so the figures are high: they tell whether training helped on its own kind of data, nothing more.
    """
    if rows.is_empty():
        return None
    columns = [column for column in rows.columns if column not in ("query", "label")]
    passages = pl.concat([rows[column] for column in columns]).unique(maintain_order=True).to_list()
    number = {passage: str(i) for i, passage in enumerate(passages)}
    qrels: dict[str, dict[str, int]] = {}
    for query, positive in rows.select("query", "positive").iter_rows():
        qrels.setdefault(query, {})[number[positive]] = 1
    queries = list(qrels)
    options: dict[str, Any] = {"normalize_embeddings": True, "show_progress_bar": False, "convert_to_numpy": True}
    similarity = model.encode_query(queries, **options) @ model.encode_document(passages, **options).T
    best = np.argsort(-similarity, axis=1, kind="stable")[:, :10]
    run = run_of_matrix(queries, best, np.take_along_axis(similarity, best, axis=1), list(number.values()))
    return {name: round(value, 6) for name, value in score(qrels, run, ("nDCG@10", "MRR@10")).means().items()}


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _load(ref: ModelRef, settings: TrainSettings) -> "tuple[SentenceTransformer, TrainSettings]":
    """The model as it is to be trained, and the settings with the prefixes that were settled on."""
    try:
        import sentence_transformers
        import transformers
    except ImportError:
        raise MissingExtra("sentence-transformers", extra="models") from None

    transformers.set_seed(settings.seed)
    given = held(ref.source)
    with quiet_loading():
        model = (
            sentence_transformers.SentenceTransformer(ref.source, revision=ref.hub_revision, device=devices()[0])
            if given is None
            else copy.deepcopy(given)
        )
    query, document = choose_prompts(
        model.prompts, PRESETS[settings.preset], query=settings.query_prefix, document=settings.document_prefix
    )
    # Saved with the model, so that whoever encodes with it uses them too.
    model.prompts |= {"query": query, "document": document}
    model.model_card_data.widget = [{"text": ""}]  # not empty, so that no examples are looked for: we write the card
    if settings.max_length is not None and model.max_seq_length != math.inf:  # static embeddings have no limit
        model.max_seq_length = settings.max_length
    if settings.gradient_checkpointing:
        # Not by the trainer's argument, whose name differs between versions of transformers, as the method's does.
        for body in (module.auto_model for module in model.children() if hasattr(module, "auto_model")):
            enable = getattr(body, "activation_checkpointing_enable", None) or body.gradient_checkpointing_enable
            enable({"use_reentrant": False})
    _set_pooling(model, settings)
    return model, replace(settings, query_prefix=query, document_prefix=document)


def _set_pooling(model: "SentenceTransformer", settings: TrainSettings) -> None:
    modules = {type(module).__name__: (name, module) for name, module in model.named_children()}
    if settings.pooling and "Pooling" in modules:
        modules["Pooling"][1].pooling_mode = settings.pooling
    if settings.normalise and "Normalize" not in modules:
        from sentence_transformers.sentence_transformer.modules import Normalize

        model.append(Normalize())


def _trainer(
    model: "SentenceTransformer", data: TrainingData, settings: TrainSettings, checkpoints: Path
) -> "SentenceTransformerTrainer":
    import torch
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from transformers import EarlyStoppingCallback, PrinterCallback

    if settings.evaluations and data.held_out.is_empty():
        raise InputError(f"{data.name}: no held-out rows to evaluate on", do="set a held-out share, or no evaluations")
    steps = math.ceil(math.ceil(data.rows.height / (settings.batch * _processes())) * settings.epochs)
    every = max(1, steps // (settings.evaluations or 10))
    bf16 = body_dtype(devices()[0]) == "bfloat16" if settings.bf16 is None else settings.bf16
    when: dict[str, Any] = {"save_strategy": "steps", "save_steps": every, "save_total_limit": 1}
    if settings.evaluations:
        when |= {
            "eval_strategy": "steps",
            "eval_steps": every,
            "load_best_model_at_end": True,
            "metric_for_best_model": "eval_loss",
        }
    prefixes = {
        column: settings.document_prefix or "" for column in data.rows.columns if column not in ("query", "label")
    }
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        per_device_eval_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        warmup_steps=round(settings.warmup * steps),
        bf16=bf16,
        use_cpu=devices()[0] == "cpu",
        prompts={"query": settings.query_prefix or "", **prefixes},
        batch_sampler="no_duplicates",
        seed=settings.seed,
        logging_steps=max(1, steps // 20),
        logging_first_step=True,
        report_to=settings.reporter,
        run_name=f"{data.name} {data.config}",  # the default is a path of this machine
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        **when,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(data.rows),
        eval_dataset=_dataset(data.held_out) if settings.evaluations else None,
        loss=_loss(model, settings),
        callbacks=[EarlyStoppingCallback(settings.patience)] if settings.patience is not None else None,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_progress())
    return trainer


def _dataset(rows: pl.DataFrame) -> "datasets.Dataset":
    import datasets

    return datasets.Dataset(rows.to_arrow(compat_level=pl.CompatLevel.oldest()))


def _loss(model: "SentenceTransformer", settings: TrainSettings) -> Any:
    from sentence_transformers import util
    from sentence_transformers.sentence_transformer import losses

    scale = 1 / settings.temperature

    def similarity(a: Any, b: Any) -> Any:
        return scale * util.pairwise_dot_score(a, b)

    if settings.loss == "margin-mse":
        return losses.MarginMSELoss(model, similarity_fct=similarity)
    if settings.loss == "kl":
        return losses.DistillKLDivLoss(
            model, similarity_fct=similarity, teacher_temperature=settings.teacher_temperature
        )
    gather = _processes() > 1
    # Static embeddings can't be cut into mini-batches, and need no caching: the loss is the same either way.
    if settings.cached and type(model[0]).__name__ != "StaticEmbedding":
        return losses.CachedMultipleNegativesRankingLoss(
            model, scale=scale, mini_batch_size=settings.mini_batch, gather_across_devices=gather
        )
    return losses.MultipleNegativesRankingLoss(model, scale=scale, gather_across_devices=gather)


def _progress() -> Any:
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            report("training steps", state.global_step, state.max_steps)

    return Progress()


def _last_checkpoint(folder: Path) -> str | None:
    """The newest complete checkpoint: the trainer writes its state last."""
    complete = [path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    return str(max(complete, key=lambda path: int(path.name.rpartition("-")[2]))) if complete else None
