"""What each scorer of a build gave a candidate, to stand beside it in the rows of every method."""

from collections.abc import Mapping
from functools import reduce
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from hnhub.schema import SCORES
from hnhub.text.documents import Positions

__all__ = ["Scores"]

_BATCH = 4096
_PAIR = ["query_id", "document_id"]


class Scores:
    """Reads the candidates of several methods in step with whoever goes through the frozen queries in their order.

    `candidates` maps a method that scores to its candidates.parquet. Memory holds a batch of each.
    """

    def __init__(self, candidates: Mapping[str, Path], known: Positions) -> None:
        paths = {name: candidates.get(name.removesuffix("_score")) for name in SCORES}
        self._columns = [_Column(path, name, known) for name, path in paths.items() if path is not None]

    def up_to(self, last: int) -> pl.DataFrame:
        """query_id, document_id, `SCORES` (null where that scorer did not look) of the queries up to this place, after the last call's."""
        empty = pl.DataFrame(schema=dict.fromkeys(_PAIR, pl.String()))
        found = [column.up_to(last) for column in self._columns]
        pairs = reduce(lambda one, other: one.join(other, on=_PAIR, how="full", coalesce=True), found, empty)
        return pairs.select(
            *_PAIR, *(name if name in pairs.columns else pl.lit(None, pl.Float64).alias(name) for name in SCORES)
        )


class _Column:
    def __init__(self, path: Path, name: str, known: Positions) -> None:
        self._batches = pq.ParquetFile(path, pre_buffer=False).iter_batches(_BATCH, columns=[*_PAIR, "score"])
        self._name, self._known = name, known
        self._ahead = pl.DataFrame(
            schema={**dict.fromkeys(_PAIR, pl.String()), name: pl.Float64(), "place": pl.Int64()}
        )

    def up_to(self, last: int) -> pl.DataFrame:
        """The scores of the queries up to this place that were not given yet."""
        while self._ahead.is_empty() or self._ahead["place"][-1] <= last:
            batch = next(self._batches, None)
            if batch is None:
                break
            frame = pl.DataFrame(batch).rename({"score": self._name}).cast({self._name: pl.Float64})
            frame = frame.with_columns(pl.Series("place", self._known.find(frame["query_id"]), dtype=pl.Int64))
            self._ahead = pl.concat([self._ahead, frame])
        due = pl.col("place") <= last
        found, self._ahead = self._ahead.filter(due), self._ahead.filter(~due)
        return found.drop("place").drop_nulls().unique(_PAIR, keep="first", maintain_order=True)
