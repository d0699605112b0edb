"""Texts of documents by id, for a part of a stage."""

from pathlib import Path

import polars as pl

from hnhub.records import contents

__all__ = ["texts_of"]


def texts_of(documents: Path, document_ids: pl.Series) -> dict[str, str]:
    """Document id -> its contents, for those that documents.parquet has. Memory is bounded by what is asked for."""
    wanted = pl.LazyFrame({"document_id": document_ids.drop_nulls().unique()})
    found = pl.scan_parquet(documents).join(wanted, on="document_id", how="semi").collect(engine="streaming")
    return {document_id: contents(title, text) for document_id, title, text in found.iter_rows()}
