"""Write a corpus's tables as Parquet, the same bytes for the same rows."""

from pathlib import Path
from typing import Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet

from hnhub.schema import DOCUMENTS

__all__ = ["DocumentWriter", "write_table"]

_ROW_GROUP = 32_768


class DocumentWriter:
    """Documents in row groups of one size, so that the bytes do not depend on how the source was cut; use in a `with`.

    `rows` is how many were written.
    """

    def __init__(self, path: Path) -> None:
        schema = pa.schema([(name, pa.large_string()) for name in DOCUMENTS.names()])
        self._file = pyarrow.parquet.ParquetWriter(path, schema, compression="zstd")
        self._waiting: list[pl.DataFrame] = []
        self._held = 0
        self.rows = 0

    def write(self, rows: pl.DataFrame) -> None:
        """Append rows (`hnhub.schema.DOCUMENTS`)."""
        self._waiting.append(rows)
        self._held += rows.height
        self.rows += rows.height
        while self._held >= _ROW_GROUP:
            self._flush(_ROW_GROUP)

    def _flush(self, height: int) -> None:
        held = pl.concat(self._waiting)
        self._file.write_table(_arrow(held[:height]), row_group_size=height)
        self._waiting, self._held = [held[height:]], held.height - height

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._held:
            self._flush(self._held)
        self._file.close()


def write_table(path: Path, rows: pl.DataFrame) -> None:
    """Write a table that is held whole."""
    pyarrow.parquet.write_table(_arrow(rows), path, compression="zstd", row_group_size=_ROW_GROUP)


def _arrow(rows: pl.DataFrame) -> pa.Table:
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest())
