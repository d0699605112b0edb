"""Fine-tune a bi-encoder on a published dataset, with sentence-transformers' trainer."""

import copy
import json
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from hnhub.encode.devices import devices
from hnhub.encode.models import ModelRef, held, quiet_loading
from hnhub.encode.presets import PRESETS, choose_prompts
from hnhub.errors import MissingExtra, UsageError
from hnhub.learn.metrics import score
from hnhub.learn.model_card import render_model_card
from hnhub.learn.options import TrainSettings
from hnhub.learn.runs import run_of_matrix
from hnhub.learn.trainer import Fitted, bi_encoder_trainer, fit, processes
from hnhub.learn.training_data import TrainingData
from hnhub.learn.weights import add_adapters, average, fold_adapters, is_static, weights_of
from hnhub.stages import StageRecord, fingerprint, finished, run_stage, write_atomically

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["train", "train_stage"]

log = logging.getLogger(__name__)

_TENSORBOARD = os.environ.get("TENSORBOARD_LOGGING_DIR")

CODE_VERSION = 4
"""Raise it when the same data and settings would give another model."""

_RATE, _STATIC_RATE = 2e-5, 0.02
"""Learning rates where none is given: of a transformer, and of static embeddings, whose rows are seldom touched."""


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
        "processes": processes(),
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
    if settings.kind == "cross-encoder":
        from hnhub.learn.reranker import train_reranker

        fitted = train_reranker(work, data=data, model=model, settings=settings)
    else:
        fitted = _train_bi_encoder(work, data=data, model=model, settings=settings)
    history = [
        {key: entry[key] for key in ("step", "loss", "eval_loss") if key in entry}
        for entry in fitted.trainer.state.log_history
        if "loss" in entry or "eval_loss" in entry
    ]
    found = {
        **data.identity(),
        "base_model": model.name,
        "base_revision": model.revision,
        "settings": {**asdict(fitted.settings), "matryoshka": list(fitted.settings.matryoshka)},
        "trained_rows": data.rows.height,
        "held_out_rows": data.held_out.height,
        "dropped_rows": data.dropped,
        "steps": fitted.trainer.state.global_step,
        "processes": processes(),
        "history": history,
        "held_out": {"before": fitted.before, "after": fitted.after},
        **(facts or {}),
    }
    if fitted.trainer.is_world_process_zero():
        with quiet_loading():
            fitted.model.save_pretrained(str(out), create_model_card=False)
        write_atomically(out / "README.md", render_model_card(found))
        write_atomically(out / "training.json", json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return found


def _train_bi_encoder(work: Path, *, data: TrainingData, model: ModelRef, settings: TrainSettings) -> Fitted:
    encoder, settings = _load(model, settings)
    before = _held_out_scores(encoder, data.held_out)
    start = weights_of(encoder) if settings.merge else {}
    if settings.lora:
        add_adapters(encoder, settings.lora)
    trainer, settings = bi_encoder_trainer(encoder, data, settings, work / "checkpoints")
    fit(trainer, work / "checkpoints")
    if settings.lora:
        fold_adapters(encoder)
    if settings.merge:
        average(encoder, start, settings.merge)
    return Fitted(encoder, trainer, settings, before, _held_out_scores(encoder, data.held_out))


def _held_out_scores(model: "SentenceTransformer", rows: pl.DataFrame) -> dict[str, float] | None:
    """nDCG@10 and MRR@10 of finding each held-out query's positive among all held-out passages; None without rows.

    A small pool, so the figures are high: they tell whether training helped on its own kind of data, nothing more.
    """
    if rows.is_empty():
        return None
    columns = [column for column in rows.columns if column not in ("query", "label")]
    passages = pl.concat([rows[column] for column in columns]).drop_nulls().unique(maintain_order=True).to_list()
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
    rate = settings.learning_rate or (_STATIC_RATE if is_static(model) else _RATE)
    return model, replace(settings, query_prefix=query, document_prefix=document, learning_rate=rate)


def _set_pooling(model: "SentenceTransformer", settings: TrainSettings) -> None:
    modules = {type(module).__name__: (name, module) for name, module in model.named_children()}
    if settings.pooling and "Pooling" in modules:
        modules["Pooling"][1].pooling_mode = settings.pooling
    if settings.normalise and "Normalize" not in modules:
        from sentence_transformers.sentence_transformer.modules import Normalize

        model.append(Normalize())
