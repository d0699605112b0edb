"""Ranked candidates on disk, for the miners that rank documents: reading the queries, writing the rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pyarrow.parquet

from hnhub import schema
from hnhub.errors import InputError
from hnhub.records import Provenance

__all__ = ["CandidateWriter", "read_queries", "retrieved", "writing"]


def read_queries(path: Path) -> pl.DataFrame:
    """The frozen queries in order: query_id, query, positive_id (the row's positive).

    Raises InputError on a query without a positive, since nothing can be mined for it.
    """
    queries = pl.read_parquet(path, columns=["query_id", "query", "positive_ids"])
    without = queries.filter(pl.col("positive_ids").list.len().fill_null(0) == 0)
    if len(without):
        raise InputError(f"{path}: query {without['query_id'][0]} has no positive", do="make the queries again")
    return queries.select("query_id", "query", pl.col("positive_ids").list.first().alias("positive_id"))


def retrieved(path: Path, query_ids: Sequence[str]) -> pl.DataFrame:
    """What a source retrieved for these queries: query_id, document_id, rank. Generated texts have no id and are left out."""
    rows = pl.scan_parquet(path).select("query_id", "document_id", "rank")
    wanted = pl.Series(query_ids, dtype=pl.String)
    return rows.drop_nulls().filter(pl.col("query_id").is_in(wanted.implode())).collect()


class CandidateWriter:
    """Writes candidates.parquet, some queries at a time."""

    def __init__(self, writer: pyarrow.parquet.ParquetWriter, provenance: Provenance) -> None:
        self._writer = writer
        self._provenance = pl.lit(asdict(provenance), dtype=schema.PROVENANCE)
        self.rows = 0
        self.positives_retrieved = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Append rows (query_id, document_id, label, rank, score), already in order."""
        frame = rows.select(
            "query_id",
            "document_id",
            pl.lit(None, dtype=pl.String).alias("text"),
            pl.col("label").cast(pl.Int8),
            pl.col("rank").cast(pl.Int32),
            pl.col("score").cast(pl.Float64),
            self._provenance.alias("provenance"),
        )
        assert frame.schema == schema.CANDIDATES
        self._writer.write_table(_arrow(frame))
        self.rows += len(frame)
        self.positives_retrieved += len(frame.filter(pl.col("label") == 1, pl.col("rank").is_not_null()))


@contextmanager
def writing(out: Path, provenance: Provenance) -> Iterator[CandidateWriter]:
    """Open `out`/candidates.parquet for the rows of one method."""
    columns = _arrow(pl.DataFrame(schema=schema.CANDIDATES)).schema
    with pyarrow.parquet.ParquetWriter(out / "candidates.parquet", columns, compression="zstd") as writer:
        yield CandidateWriter(writer, provenance)


def _arrow(frame: pl.DataFrame) -> pyarrow.Table:
    # Plain strings and lists: what every reader of Parquet and `datasets` know.
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
