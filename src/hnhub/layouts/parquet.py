"""An export's JSON lines as Parquet, for `datasets` to load as configs of a repository that holds nothing else."""

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from hnhub.rows.parquet import ShardWriter

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

__all__ = ["parquet_of"]

_BATCH = 4096


def parquet_of(lines: Path, folder: Path, split: str) -> tuple[pl.Schema, int, int]:
    """Write the rows of a file of JSON lines as a split in `folder`; returns the columns, the rows and their bytes in Arrow.

    Every row has the first row's members, with values of its types. There is at least one row.
    """
    with lines.open(encoding="utf-8") as file:
        first = json.loads(file.readline())
    schema = pl.Schema({name: _kind(value) for name, value in first.items()})
    with lines.open(encoding="utf-8") as file, ShardWriter(folder, split, schema) as writer:
        rows = map(json.loads, file)
        while batch := list(itertools.islice(rows, _BATCH)):
            writer.write(pl.DataFrame(batch, schema=schema))
    return schema, writer.rows, writer.num_bytes


def _kind(value: Any) -> "PolarsDataType":
    if isinstance(value, list):
        return pl.List(_kind(value[0]))
    if isinstance(value, dict):
        return pl.Struct({name: _kind(one) for name, one in value.items()})
    return {str: pl.String, int: pl.Int64, float: pl.Float64}[type(value)]()
