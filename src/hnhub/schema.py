"""The columns of every table on disk, said once. Published ones also become `datasets.Features` and the card's table."""

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import datasets

__all__ = [
    "CANDIDATES",
    "DOCUMENTS",
    "FROZEN_QUERIES",
    "LEDGER",
    "NEGATIVES",
    "PROVENANCE",
    "PUBLISHED_QUERIES",
    "QRELS",
    "QUERIES",
    "SCORED",
    "features",
    "triplet",
]

PROVENANCE = pl.Struct(
    {
        "method": pl.String,
        "model": pl.String,
        "revision": pl.String,
        "server": pl.String,
        "prompt_sha256": pl.String,
        "sampling": pl.String,
        "seed": pl.Int64,
        "corpus_revision": pl.String,
    }
)
"""`hnhub.records.Provenance` as a column."""

# --- corpus/: documents.parquet, queries.parquet, qrels.parquet
DOCUMENTS = pl.Schema({"document_id": pl.String, "title": pl.String, "text": pl.String})
QUERIES = pl.Schema({"split": pl.String, "query_id": pl.String, "text": pl.String})
QRELS = pl.Schema({"split": pl.String, "query_id": pl.String, "document_id": pl.String, "score": pl.Int32})

# --- queries/: queries.parquet, in published order
FROZEN_QUERIES = pl.Schema(
    {
        "split": pl.String,
        "query_id": pl.String,
        "query": pl.String,
        # The first is the row's positive; every one is kept out of the negatives.
        "positive_ids": pl.List(pl.String),
        "provenance": PROVENANCE,
    }
)

# --- candidates/<source>/: candidates.parquet, by query in the order of queries.parquet, then by rank.
# A generated text has no document_id; a document's text is joined only when rows are assembled.
# label 1 is the query's positive, scored by the same scorer (rank null where it was not retrieved).
CANDIDATES = pl.Schema(
    {
        "query_id": pl.String,
        "document_id": pl.String,
        "text": pl.String,
        "label": pl.Int8,
        "rank": pl.Int32,
        "score": pl.Float64,
        "provenance": PROVENANCE,
    }
)

# --- negatives/<method>/: negatives.parquet. position is 1..n for the chosen ones, else null.
NEGATIVES = pl.Schema(
    {**CANDIDATES, "verdict": pl.String, "reason": pl.String, "position": pl.Int32},
)

# --- ledger.parquet beside every stage's output, and ledger/ in the dataset
LEDGER = pl.Schema(
    {
        "stage": pl.String,
        "method": pl.String,
        "query_id": pl.String,
        "document_id": pl.String,
        "reason": pl.String,
        "detail": pl.String,
    }
)

# --- dataset/data/<config>/
PUBLISHED_QUERIES = pl.Schema(
    {
        "query_id": pl.String,
        "query": pl.String,
        "positive_ids": pl.List(pl.String),
        "provenance": PROVENANCE,
    }
)
SCORED = pl.Schema(
    {
        "query_id": pl.String,
        "query": pl.String,
        "document_id": pl.String,
        "text": pl.String,
        "label": pl.Int8,
        "rank": pl.Int32,
        "score": pl.Float64,
        "verdict": pl.String,
        "reason": pl.String,
        "position": pl.Int32,
        "provenance": PROVENANCE,
    }
)


def triplet(negatives: int) -> pl.Schema:
    """The training-ready columns, in sentence-transformers' order: query, positive, negative_1 .. negative_n."""
    names = ["query", "positive", *(f"negative_{i}" for i in range(1, negatives + 1))]
    return pl.Schema(dict.fromkeys(names, pl.String))


def features(schema: pl.Schema) -> "datasets.Features":
    """The same columns as `datasets.Features`."""
    import datasets

    arrow = pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    return datasets.Features.from_arrow_schema(arrow)
