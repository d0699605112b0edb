"""The one writer of published Parquet: deterministic bytes, made to be served by the Hub.

- Row groups of 32 MiB (as Arrow holds them): streaming has its first row after one group, and the dataset viewer reads
  at most 300 MB at once. The page index lets it fetch a page of rows without the group.
- Shards of at most 500 MB (as Arrow holds them), the size that `datasets` itself writes.
- Content-defined chunking with the limits that `datasets` uses, so that pages of an earlier revision are found again by
  Xet. Texts are not dictionary-encoded: one changed text would renumber its whole group.
- Readers here pass `pre_buffer=False`: by default pyarrow holds a whole file, compressed, while it iterates over batches.
- zstd: text takes 40 % less than with snappy (docs/columns.md has the figures), and every reader has it.
"""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hnhub.schema import arrow_schema

__all__ = ["ROW_GROUP_BYTES", "SHARD_BYTES", "ShardWriter", "write_parquet"]

ROW_GROUP_BYTES = 32 * 2**20
SHARD_BYTES = 500_000_000
_CHUNKING = {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024, "norm_level": 0}
_REPEATED = frozenset({"label", "verdict", "reason", "position", "provenance", "stage", "method", "split"})


class ShardWriter:
    """Writes one split of one config as `<split>-00000-of-0000N.parquet`; N stands in the names once it is known.

    A context manager: the files have their names after a clean exit. `rows` and `num_bytes` (as Arrow holds them, what
    `datasets` calls num_bytes) count what was written.
    """

    def __init__(
        self,
        folder: Path,
        split: str,
        schema: pl.Schema,
        *,
        group_bytes: int = ROW_GROUP_BYTES,
        shard_bytes: int = SHARD_BYTES,
    ) -> None:
        self._folder, self._split, self._schema = folder, split, arrow_schema(schema)
        self._group_bytes, self._shard_bytes = group_bytes, shard_bytes
        self._pending: list[pa.Table] = []
        self._pending_bytes = self._shard_written = 0
        self._writer: pq.ParquetWriter | None = None
        self._temporary: list[Path] = []
        self.rows = 0
        self.num_bytes = 0

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows; the frame's columns are those of the schema. Equal calls in equal order give equal bytes."""
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(self._schema)
        self._pending.append(table)
        self._pending_bytes += table.nbytes
        self.rows += table.num_rows
        self.num_bytes += table.nbytes
        if self._pending_bytes >= self._group_bytes:
            self._flush()

    def _flush(self) -> None:
        if self._writer and self._shard_written + self._pending_bytes > self._shard_bytes:
            self._writer.close()
            self._writer = None
        if self._writer is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._temporary.append(self._folder / f".{self._split}-{len(self._temporary):05d}.tmp")
            self._writer = _open(self._temporary[-1], self._schema)
            self._shard_written = 0
        if self._pending:
            table = pa.concat_tables(self._pending)
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self._shard_written += self._pending_bytes
        self._pending, self._pending_bytes = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and (self._pending or self._writer is None):
            self._flush()
        if self._writer:
            self._writer.close()
        if kind is None:
            for i, path in enumerate(self._temporary):
                path.rename(self._folder / f"{self._split}-{i:05d}-of-{len(self._temporary):05d}.parquet")


def write_parquet(path: Path, frames: Iterable[pl.DataFrame], schema: pl.Schema) -> int:
    """Write one file under its own name; returns the number of rows."""
    columns = arrow_schema(schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = 0
    with _open(path, columns) as writer:
        for frame in frames:
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(columns)
            if table.num_rows:
                writer.write_table(table)
            rows += table.num_rows
    return rows


def _open(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=_dictionary_columns(schema),
        write_page_index=True,
        use_content_defined_chunking=_CHUNKING,
    )


def _dictionary_columns(schema: pa.Schema) -> list[str]:
    # Where a row stands for a candidate, its query and ids repeat; there a dictionary is small and saves the most.
    repeated = _REPEATED | ({"query_id", "query"} if "label" in schema.names else set())
    names = []
    for field in schema:
        if field.name in repeated:
            names += (
                [f"{field.name}.{child.name}" for child in field.type]
                if pa.types.is_struct(field.type)
                else [field.name]
            )
    return names
