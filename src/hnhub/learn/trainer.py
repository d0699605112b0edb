"""sentence-transformers' trainers as hnhub sets them up: arguments, rows as a dataset, progress, checkpoints."""

import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from hnhub.encode.devices import body_dtype, devices
from hnhub.encode.models import quiet_loading
from hnhub.errors import InputError
from hnhub.learn.losses import Floats, row_loss
from hnhub.learn.options import TrainSettings
from hnhub.learn.passes import epochs_for, rows_of_passes
from hnhub.learn.row_ids import RowIds, number_rows, passage_columns
from hnhub.learn.training_data import TrainingData
from hnhub.learn.weights import is_static
from hnhub.progress import report

if TYPE_CHECKING:
    import datasets
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer

__all__ = [
    "Fitted",
    "as_dataset",
    "bi_encoder_trainer",
    "finish_trainer",
    "fit",
    "processes",
    "shared_arguments",
]

_APART = 25
"""Steps between two checkpoints at least: writing one takes as long as many steps of static embeddings."""

_TEXTS = 1 << 17
"""Texts whose tokens are remembered: 250 MB at 250 tokens each."""

_GUIDED = 1 << 12
"""Texts between two words on how far the guide is."""


@dataclass(frozen=True)
class Fitted:
    """A trained model, and what is to be recorded of its training."""

    model: Any
    trainer: Any
    settings: TrainSettings
    """With what was settled on the way: prefixes, learning rate, the teacher's temperature."""
    before: dict[str, float] | None
    """Measures on the held-out rows; None without any."""
    after: dict[str, float] | None


def processes() -> int:
    """How many processes train together, under torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def bi_encoder_trainer(
    model: "SentenceTransformer", data: TrainingData, settings: TrainSettings, checkpoints: Path
) -> "tuple[SentenceTransformerTrainer, TrainSettings]":
    """A trainer, and the settings with the teacher's temperature that the rows' scores ask for."""
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

    settings = replace(settings, epochs=epochs_for(data.rows, settings, processes()))
    rows, epochs = rows_of_passes(data.rows, settings)
    held_out, _ = rows_of_passes(data.held_out, replace(settings, epochs=1.0))
    both = pl.concat([rows, held_out]) if settings.evaluations else rows
    ids = number_rows(both, near=settings.contrasted and settings.masking != "none")
    spread = settings.teacher_temperature or _spread(rows)
    loss = row_loss(
        model,
        settings,
        ids,
        teacher_temperature=spread or 1.0,
        # Static embeddings can't be cut into mini-batches, and need no caching: the loss is the same either way.
        cached=settings.cached and not is_static(model),
        guide=_guide(model, ids) if settings.guided else None,
    )
    prefixes = dict.fromkeys(passage_columns(rows), settings.document_prefix or "")
    arguments = SentenceTransformerTrainingArguments(
        **shared_arguments(data, settings, checkpoints, rows=rows.height, epochs=epochs),
        prompts={"query": settings.query_prefix or "", **prefixes},
        # A batch may hold a text twice where the loss knows that it does.
        batch_sampler="no_duplicates" if settings.masking == "none" else "batch_sampler",
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=as_dataset(rows, 0),
        eval_dataset=as_dataset(held_out, rows.height) if settings.evaluations else None,
        loss=loss,
    )
    if is_static(model):
        trainer.data_collator.preprocess_fn = _remembering(model)
    return finish_trainer(trainer, settings), replace(settings, teacher_temperature=spread) if spread else settings


def _remembering(model: "SentenceTransformer") -> Callable[..., dict[str, Any]]:
    """Tokens of static embeddings, each text's made once: cutting texts into tokens is most of such a training's time."""
    import torch

    static = next(iter(model.children()))

    @lru_cache(_TEXTS)
    def tokens(text: str) -> Any:
        return static.preprocess([text])["input_ids"]

    def preprocess(inputs: Sequence[str], prompt: str | None = None, **_: Any) -> dict[str, Any]:
        found = [tokens(f"{prompt or ''}{text}") for text in inputs]
        starts = torch.tensor([0, *(len(one) for one in found[:-1])]).cumsum(0)
        return {"input_ids": torch.cat(found), "offsets": starts}

    return preprocess


def _spread(rows: pl.DataFrame) -> float | None:
    """The standard deviation of the scores within a row, on average."""
    if "label" not in rows.columns:
        return None
    found = rows.select(pl.col("label").list.std(ddof=0).mean()).item()
    return round(float(found), 6) if found else None


def _guide(model: "SentenceTransformer", ids: RowIds) -> tuple[Floats, Floats]:
    """Unit vectors [texts, dimension] of the queries and the passages, in half precision: they are held throughout."""
    total = len(ids.query_texts) + len(ids.passage_texts)

    def vectors(encode: Callable[..., Any], texts: Sequence[str], before: int = 0) -> Floats:
        found = []
        for first in range(0, len(texts), _GUIDED):
            part = list(texts[first : first + _GUIDED])
            found.append(encode(part, normalize_embeddings=True, show_progress_bar=False).astype(np.float16))
            report("encoding what masks", before + first + len(part), total, unit="texts")
        return np.concatenate(found)

    queries = vectors(model.encode_query, ids.query_texts)
    return queries, vectors(model.encode_document, ids.passage_texts, len(queries))


def shared_arguments(
    data: TrainingData, settings: TrainSettings, checkpoints: Path, *, rows: int, epochs: float
) -> dict[str, Any]:
    """Training arguments that do not depend on the kind of model. Raises InputError for evaluations of nothing."""
    import torch

    if settings.evaluations and data.held_out.is_empty():
        raise InputError(f"{data.name}: no held-out rows to evaluate on", do="set a held-out share, or no evaluations")
    steps = math.ceil(math.ceil(rows / (settings.batch * processes())) * epochs)
    every = max(1, steps // settings.evaluations) if settings.evaluations else max(_APART, steps // 10)
    when: dict[str, Any] = {"save_strategy": "steps", "save_steps": every, "save_total_limit": 1}
    if settings.evaluations:
        when |= {
            "eval_strategy": "steps",
            "eval_steps": every,
            "load_best_model_at_end": True,
            "metric_for_best_model": "eval_loss",
        }
    return {
        "output_dir": str(checkpoints),
        "num_train_epochs": epochs,
        "per_device_train_batch_size": settings.batch,
        "per_device_eval_batch_size": settings.batch,
        "learning_rate": settings.learning_rate,
        "warmup_steps": round(settings.warmup * steps),
        "bf16": body_dtype(devices()[0]) == "bfloat16" if settings.bf16 is None else settings.bf16,
        "use_cpu": devices()[0] == "cpu",
        "seed": settings.seed,
        "logging_steps": max(1, steps // 20),
        "logging_first_step": True,
        "report_to": settings.reporter,
        "project": "hnhub",
        # The work folder's name has the training's key: two trainings are two runs, one that goes on is one.
        "run_name": f"{data.name} {data.config} {checkpoints.parent.name}",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
        **when,
    }


def finish_trainer(trainer: Any, settings: TrainSettings) -> Any:
    """The trainer with our callbacks in place of its own printing."""
    from transformers import EarlyStoppingCallback, PrinterCallback

    trainer.remove_callback(PrinterCallback)
    if settings.patience is not None:
        trainer.add_callback(EarlyStoppingCallback(settings.patience))
    trainer.add_callback(_progress())
    return trainer


def as_dataset(rows: pl.DataFrame, first: int) -> "datasets.Dataset":
    """The rows with the label that `hnhub.learn.losses` reads: the row's number (from `first`), and its scores."""
    import datasets

    numbers = np.arange(first, first + rows.height, dtype=np.float64)
    label = pl.Series("label", numbers).cast(pl.Float64).reshape((rows.height, 1)).arr.to_list()
    if "label" in rows.columns:
        scores = rows["label"].list.eval(pl.element().fill_null(float("nan")))
        label = pl.select(pl.concat_list(label, scores).alias("label")).to_series()
    frame = rows.drop("label", strict=False).with_columns(label.alias("label"))
    return datasets.Dataset(frame.to_arrow(compat_level=pl.CompatLevel.oldest()))


def _progress() -> Any:
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            report("training", state.global_step, state.max_steps, unit="steps")

    return Progress()


def fit(trainer: Any, checkpoints: Path) -> None:
    """Train from the last checkpoint. What reporters print goes to stderr: stdout is the caller's, or JSON."""
    with quiet_loading(), redirect_stdout(sys.stderr):
        trainer.train(resume_from_checkpoint=_last_checkpoint(checkpoints))


def _last_checkpoint(folder: Path) -> str | None:
    """The newest complete checkpoint: the trainer writes its state last."""
    complete = [path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    return str(max(complete, key=lambda path: int(path.name.rpartition("-")[2]))) if complete else None
