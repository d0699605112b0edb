"""The rows that an audit reads: of each method at most `ROWS`, at even distances."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hnhub.records import METHODS
from hnhub.rows.stats import split_files

__all__ = ["ROWS", "Pairs", "read_hardness", "read_pairs", "read_queries"]

ROWS = 2000


@dataclass(frozen=True)
class Pairs:
    """Rows of a method: a query, its positive, its negatives."""

    queries: list[str]
    positives: list[str]
    negatives: list[list[str]]

    def __len__(self) -> int:
        return len(self.queries)


def read_pairs(folder: Path) -> dict[str, Pairs]:
    """By method. A dataset that publishes no texts has none."""
    found = {}
    for method in METHODS:
        paths = [path for paths in split_files(folder, method).values() for path in paths]
        if not paths:
            continue
        table = pl.scan_parquet(paths)
        count = table.select(pl.len()).collect().item()
        rows = table.gather_every(max(1, -(-count // ROWS))).collect(engine="streaming")
        if len(rows):
            names = [name for name in rows.columns if name.startswith("negative_")]
            negatives = [[text for text in row if text is not None] for row in rows.select(names).iter_rows()]
            found[method] = Pairs(rows["query"].to_list(), rows["positive"].to_list(), negatives)
    return found


def read_queries(folder: Path) -> Mapping[str, list[str]]:
    """The texts of the frozen queries by split."""
    return {
        split: pl.concat([pl.read_parquet(path, columns=["query"]) for path in paths])["query"].drop_nulls().to_list()
        for split, paths in split_files(folder, "queries").items()
    }


def read_hardness(folder: Path, method: str) -> pl.Series:
    """For each negative of a query whose positive was scored: 1 where it scores as the positive does, less below.

    The distance to the positive's score in its own size (`hnhub.negatives.cut.threshold`), so that it fits scores below 0. A
    candidate that was promoted, as it scored no less, is no positive to measure by.
    """
    paths = [path for paths in split_files(folder, f"{method}-scored").values() for path in paths]
    rows = (
        pl.scan_parquet(paths)
        .select("query_id", "label", "verdict", "position", "score")
        .filter(pl.col("score").is_not_null())
    )
    judged = rows.filter(pl.col("label") == 1, pl.col("verdict") != "promote")
    positives = judged.group_by("query_id").agg(pl.col("score").max().alias("positive"))
    chosen = rows.filter(pl.col("position").is_not_null()).join(positives, on="query_id")
    nearness = 1 + (pl.col("score") - pl.col("positive")) / pl.col("positive").abs()
    return chosen.filter(pl.col("positive") != 0).select(nearness.alias("nearness")).collect()["nearness"]
