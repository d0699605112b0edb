"""Rows of a file by query, some queries at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hnhub.errors import InputError
from hnhub.text.documents import Positions

__all__ = ["in_parts"]

_QUERIES = 2048
# Whose rows are held at once.
_ROWS = 8192


def in_parts(path: Path, query_ids: pl.Series) -> Iterator[tuple[slice, pl.DataFrame]]:
    """Some of these queries at a time, and their rows in the file's order, with the column `order`: the query's place in the slice.

    The file is read twice, first its ids only. As the stages write it, in the order of the queries, no more is held than a part;
    of a file in another order also the rows that were met before their turn. Raises InputError for a query that is not among these.
    """
    known = Positions(query_ids)
    starts, least = _least_to_come(path, known)
    rows, read = pq.ParquetFile(path, pre_buffer=False).iter_batches(_ROWS), 0
    held = pl.DataFrame(schema={**pl.read_parquet_schema(path), "order": pl.Int64})
    for first in range(0, len(query_ids), _QUERIES):
        end, met = first + _QUERIES, [held]
        while least[np.searchsorted(starts, read, side="right") - 1] < end:
            frame = pl.DataFrame(next(rows))
            met.append(frame.with_columns(pl.Series("order", known.find(frame["query_id"]))))
            read += len(frame)
        held = pl.concat(met)
        yield slice(first, end), held.filter(pl.col("order") < end).with_columns(pl.col("order") - first)
        held = held.filter(pl.col("order") >= end)


def _least_to_come(path: Path, known: Positions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """From which rows on: which query is the first of all that are still to come. At the end there is none."""
    starts, least = [0], []
    for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(_ROWS, columns=["query_id"]):
        ids = pl.Series(batch.column("query_id"), dtype=pl.String)
        places = known.find(ids)
        if (places < 0).any():
            raise InputError(
                f"{path}: query {ids[int((places < 0).argmax())]!r} is not among the frozen queries",
                do="delete the stage to make it again",
            )
        starts.append(starts[-1] + len(ids))
        least.append(int(places.min()))
    least.append(np.iinfo(np.int64).max)
    return np.array(starts), np.minimum.accumulate(np.array(least)[::-1])[::-1]
