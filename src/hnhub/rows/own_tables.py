"""A stage's folder that the user put there: whether its tables are what the next stages read."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from hnhub.errors import InputError
from hnhub.schema import CANDIDATES, DOCUMENTS, FROZEN_QUERIES, JUDGEMENTS, NEGATIVES, QRELS, QUERIES

__all__ = ["check_own_tables"]

_TABLES: Mapping[str, Mapping[str, pl.Schema]] = {
    "corpus": {"documents": DOCUMENTS, "queries": QUERIES, "qrels": QRELS},
    "queries": {"queries": FROZEN_QUERIES},
    "candidates": {"candidates": CANDIDATES},
    "judgements": {"judgements": JUDGEMENTS},
    "negatives": {"negatives": NEGATIVES},
}
"""By kind of stage, its tables."""

_MAY_HOLD_MORE = ("documents", "qrels")
_EXACT = ("queries", "negatives")
"""Rows are assembled of them only if they have these very types."""


def check_own_tables(folder: Path, kind: str) -> None:
    """Raise InputError for a table of a stage of this kind that is missing, no Parquet, or of other columns than it is read with."""
    for name, wanted in _TABLES.get(kind, {}).items():
        path, instead = folder / f"{name}.parquet", f"or delete {folder} to have it made"
        if not path.is_file():
            raise InputError(
                f"{path}: is missing, though {folder} is your own", do=f"put it there ({_told(wanted)}), {instead}"
            )
        try:
            found = pl.Schema(pl.read_parquet_schema(path))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise InputError(
                f"{path}: can't be read as Parquet ({error})", do=f"put a whole file there, {instead}"
            ) from error
        if not _serves(name, found, wanted):
            raise InputError(
                f"{path}: has the columns {_told(found)}, not {_told(wanted)}", do=f"put them into it, {instead}"
            )


def _serves(name: str, found: pl.Schema, wanted: pl.Schema) -> bool:
    if name in _EXACT:
        return found == wanted
    names = [column for column in wanted if column in found] if name in _MAY_HOLD_MORE else list(found)
    return names == list(wanted) and all(_alike(found[column], wanted[column]) for column in wanted)


def _alike(found: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether values can stand for those that are wanted: any number for a number."""
    return found in (wanted, pl.Null) or (found.is_numeric() and wanted.is_numeric())


def _told(columns: pl.Schema) -> str:
    return ", ".join(f"{name} ({_kind(dtype)})" for name, dtype in columns.items())


def _kind(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Struct):
        return f"struct of {_told(pl.Schema(dtype))}"
    return f"list of {dtype.inner}" if isinstance(dtype, pl.List) else str(dtype)
