"""A cross-encoder from the same rows: a query's passages told apart, or put in a teacher's order."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from hnhub.encode.devices import devices
from hnhub.encode.models import ModelRef, held, quiet_loading
from hnhub.errors import InputError, MissingExtra
from hnhub.learn.metrics import score
from hnhub.learn.options import TrainSettings
from hnhub.learn.passes import epochs_for, rows_of_passes
from hnhub.learn.row_ids import passage_columns
from hnhub.learn.runs import run_of_mapping
from hnhub.learn.trainer import Fitted, finish_trainer, fit, processes, shared_arguments
from hnhub.learn.training_data import TrainingData

__all__ = ["pairs_of", "train_reranker"]

_RATE = 2e-5


def train_reranker(work: Path, *, data: TrainingData, model: ModelRef, settings: TrainSettings) -> Fitted:
    """Train a cross-encoder: binary cross-entropy over pairs (`ranking`), MarginMSE, or ListNet over the scores (`kl`)."""
    try:
        import transformers
        from sentence_transformers import CrossEncoder, CrossEncoderTrainer, CrossEncoderTrainingArguments
    except ImportError:
        raise MissingExtra("sentence-transformers", extra="models") from None

    transformers.set_seed(settings.seed)
    settings = replace(settings, learning_rate=settings.learning_rate or _RATE)
    settings = replace(settings, epochs=epochs_for(data.rows, settings, processes()))
    rows, epochs = rows_of_passes(data.rows, settings)
    if not [column for column in rows.columns if column.startswith("negative_")]:
        raise InputError(f"{data.name}: a cross-encoder needs hard negatives", do="give rows that have some")
    length = {} if settings.max_length is None else {"max_length": settings.max_length}
    with quiet_loading():
        given = held(model.source)
        scorer = (
            CrossEncoder(model.source, revision=model.hub_revision, device=devices()[0], num_labels=1, **length)
            if given is None
            else copy.deepcopy(given)
        )
        before = _held_out_scores(scorer, data.held_out)
        train = pairs_of(rows, settings)
        held_out = pairs_of(data.held_out, settings) if settings.evaluations else None
        arguments = CrossEncoderTrainingArguments(
            **shared_arguments(data, settings, work / "checkpoints", rows=len(train), epochs=epochs)
        )
        trainer = finish_trainer(
            CrossEncoderTrainer(
                model=scorer,
                args=arguments,
                train_dataset=train,
                eval_dataset=held_out,
                loss=_loss(scorer, settings, len(passage_columns(rows)) - 1),
            ),
            settings,
        )
    fit(trainer, work / "checkpoints")
    return Fitted(scorer, trainer, settings, before, _held_out_scores(scorer, data.held_out))


def pairs_of(rows: pl.DataFrame, settings: TrainSettings) -> Any:
    """The rows as a cross-encoder's loss takes them: pairs with 1 or 0, or a list of passages a query with their scores.

    What has no score is left out of a list; a row that then holds fewer than two passages, or for MarginMSE lacks one, too.
    """
    import datasets

    columns = passage_columns(rows)
    if settings.loss == "ranking":
        pairs = [
            (query, text, float(at == 0))
            for query, *texts in rows.select("query", *columns).iter_rows()
            for at, text in enumerate(texts)
            if at == 0 or text not in (None, texts[0])
        ]
        return datasets.Dataset.from_polars(
            pl.DataFrame(pairs, schema={"query": pl.String, "passage": pl.String, "label": pl.Float64}, orient="row")
        )
    heat = settings.teacher_temperature or float(rows.select(pl.col("label").list.std(ddof=0).mean()).item() or 1.0)
    lists = []
    for query, *texts, scores in rows.select("query", *columns, "label").iter_rows():
        known = [(text, value / heat) for text, value in zip(texts, scores, strict=True) if value is not None]
        if settings.loss == "margin-mse":
            if len(known) == len(texts):
                lists.append((query, *texts, [known[0][1] - value for _, value in known[1:]]))
        elif len(known) > 1:
            lists.append((query, [text for text, _ in known], [value for _, value in known]))
    texts_of = {"passages": pl.List(pl.String)} if settings.loss == "kl" else dict.fromkeys(columns, pl.String())
    schema = pl.Schema({"query": pl.String(), **texts_of, "label": pl.List(pl.Float64)})
    return datasets.Dataset.from_polars(pl.DataFrame(lists, schema=schema, orient="row"))


def _loss(model: Any, settings: TrainSettings, negatives: int) -> Any:
    import torch
    from sentence_transformers.cross_encoder import losses

    if settings.loss == "ranking":
        return losses.BinaryCrossEntropyLoss(model, pos_weight=torch.tensor(float(negatives)))
    if settings.loss == "margin-mse":
        return losses.MarginMSELoss(model)
    return losses.ListNetLoss(model, mini_batch_size=settings.mini_batch)


def _held_out_scores(model: Any, rows: pl.DataFrame) -> dict[str, float] | None:
    """nDCG@10 and MRR@10 of each held-out query's positive among its own row's passages; None without rows."""
    if rows.is_empty():
        return None
    columns = passage_columns(rows)
    qrels: dict[str, dict[str, int]] = {}
    texts: dict[str, dict[str, str]] = {}
    for query, *passages in rows.select("query", *columns).iter_rows():
        own = texts.setdefault(query, {})
        for text in passages:
            if text is not None:
                own.setdefault(text, str(len(own)))
        qrels.setdefault(query, {})[own[passages[0]]] = 1
    pairs = [(query, text) for query, own in texts.items() for text in own]
    scores = iter(model.predict(pairs, show_progress_bar=False).tolist())
    run = {query: {number: next(scores) for number in own.values()} for query, own in texts.items()}
    return {
        name: round(value, 6)
        for name, value in score(qrels, run_of_mapping(run), ("nDCG@10", "MRR@10")).means().items()
    }
