"""Texts of documents by id, a batch at a time."""

from pathlib import Path

import polars as pl

from hnhub.records import contents

__all__ = ["Texts"]

_HELD_BYTES = 256 << 20
"""A corpus file up to this size is read once; a larger one is scanned for each batch."""


class Texts:
    """Looks up documents.parquet in memory that is bounded by a batch (or by a small corpus)."""

    def __init__(self, documents: Path) -> None:
        self._documents = pl.scan_parquet(documents)
        if documents.stat().st_size <= _HELD_BYTES:
            self._documents = self._documents.collect().lazy()

    def of(self, document_ids: pl.Series) -> dict[str, str]:
        """Document id -> its contents, for those that the corpus has."""
        wanted = pl.LazyFrame({"document_id": document_ids.drop_nulls().unique()})
        found = self._documents.join(wanted, on="document_id", how="semi").collect(engine="streaming")
        return {document_id: contents(title, text) for document_id, title, text in found.iter_rows()}
