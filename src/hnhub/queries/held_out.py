"""What the corpus keeps for evaluation, and training must not see."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hnhub.records import contents, evaluation_splits
from hnhub.stages import facts_of

__all__ = ["HeldOut", "load_held_out", "read_documents"]


@dataclass(frozen=True)
class HeldOut:
    """The evaluation splits: what the corpus's facts declare, else `test`, or `dev` where there is none."""

    splits: tuple[str, ...]
    query_ids: tuple[str, ...]
    queries: tuple[str, ...]
    positives: pl.DataFrame
    """row, document_id and text of every document judged relevant in them, in document order."""


def load_held_out(corpus: Path) -> HeldOut:
    """Read the evaluation splits of a finished corpus stage."""
    queries = pl.read_parquet(corpus / "queries.parquet")
    splits = evaluation_splits(set(queries["split"]), facts_of(corpus).get("evaluation_splits"))
    here = pl.col("split").is_in(splits)
    judged = (
        pl.scan_parquet(corpus / "qrels.parquet")
        .filter(here & (pl.col("score") > 0))
        .select("document_id")
        .unique()
        .collect()
    )
    held_out = queries.filter(here)
    return HeldOut(splits, tuple(held_out["query_id"]), tuple(held_out["text"]), read_documents(corpus, judged))


def read_documents(corpus: Path, wanted: pl.DataFrame) -> pl.DataFrame:
    """The row, document_id and text of the documents named by `wanted` (column row or document_id), in document order."""
    (key,) = wanted.columns
    found = (
        pl.scan_parquet(corpus / "documents.parquet")
        .with_row_index("row")
        .join(wanted.lazy(), on=key, how="semi")
        .collect(engine="streaming")
        .sort("row")
    )
    texts = [contents(title, text) for title, text in found.select("title", "text").iter_rows()]
    return found.select("row", "document_id", pl.Series("text", texts, dtype=pl.String))
