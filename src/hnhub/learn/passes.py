"""Which rows a training sees: hard negatives and positives of a query, drawn by the seed."""

import math

import numpy as np
import polars as pl

from hnhub.learn.options import TrainSettings
from hnhub.stages import fingerprint

__all__ = ["epochs_for", "rows_of_passes"]

_SEVERAL = 4
"""Positives of a row of LSEPair."""


def epochs_for(rows: pl.DataFrame, settings: TrainSettings, processes: int) -> float:
    """The passes of the settings over these rows, or over their queries where a pass takes one positive of each."""
    one = settings.positives == "one" or settings.loss == "lsepair"
    return settings.passes(rows["query"].n_unique() if one else rows.height, processes)


def rows_of_passes(rows: pl.DataFrame, settings: TrainSettings) -> tuple[pl.DataFrame, float]:
    """The rows to train on, and how many passes over them are the `epochs` of the settings (`epochs_for` fills them in).

    With one positive a pass (and for LSEPair, whose rows hold up to four) every pass is written out: each query once, its
    positives in an order drawn by the seed, so that none comes again before all have come. Columns `positive_2` and on
    repeat the positive where a query has no more; nulls among the negatives become the positive, which no loss takes for
    a negative.
    """
    epochs = 1.0 if settings.epochs is None else settings.epochs
    kept = _limited(rows, settings.negatives)
    if settings.loss != "lsepair" and settings.positives == "all":
        return _filled(kept), epochs
    width = _SEVERAL if settings.loss == "lsepair" else 1
    groups = kept.with_row_index("row").group_by("query", maintain_order=True).agg("row")
    order = [
        np.random.default_rng(int(fingerprint({"seed": settings.seed, "query": query})[:16], 16)).permutation(found)
        for query, found in groups.iter_rows()
    ]
    passes = max(1, math.ceil(epochs))
    at = [own[number * width % len(own)] for number in range(passes) for own in order]
    drawn = kept[np.array(at, np.int64)]
    for column in range(1, width):
        others = [
            own[(number * width + column) % len(own)] if column < len(own) else own[number * width % len(own)]
            for number in range(passes)
            for own in order
        ]
        drawn = drawn.with_columns(kept["positive"][np.array(others, np.int64)].alias(f"positive_{column + 1}"))
    passages = [name for name in drawn.columns if name.startswith("negative_")]
    positives = [name for name in drawn.columns if name.startswith("positive")]
    rest = [name for name in drawn.columns if name not in ("query", *positives, *passages)]
    return _filled(drawn.select("query", *positives, *passages, *rest)), epochs / passes


def _limited(rows: pl.DataFrame, negatives: int | None) -> pl.DataFrame:
    names = [column for column in rows.columns if column.startswith("negative_")]
    if negatives is None or negatives >= len(names) or "label" in rows.columns:
        return rows
    return rows.drop(names[negatives:])


def _filled(rows: pl.DataFrame) -> pl.DataFrame:
    names = [column for column in rows.columns if column.startswith("negative_")]
    return rows.with_columns(pl.col(name).fill_null(pl.col("positive")) for name in names)
