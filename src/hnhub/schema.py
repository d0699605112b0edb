"""The columns of every table on disk, said once. Published ones also become `datasets.Features` and the card's table."""

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

    import datasets
    import pyarrow as pa
    from polars._typing import PolarsDataType

__all__ = [
    "CANDIDATES",
    "DOCUMENTS",
    "FROZEN_QUERIES",
    "JUDGEMENTS",
    "LEDGER",
    "NEGATIVES",
    "PROVENANCE",
    "PUBLISHED_QUERIES",
    "QRELS",
    "QUERIES",
    "SCORED",
    "SCORED_BEFORE",
    "SCORES",
    "arrow_schema",
    "features",
    "offered",
    "triplet",
]


def _schema(columns: "Mapping[str, PolarsDataType]") -> pl.Schema:
    return pl.Schema(dict(columns))


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
        "style": pl.String,
    }
)
"""`hnhub.records.Provenance` as a column."""

# --- corpus/: documents.parquet, queries.parquet, qrels.parquet
DOCUMENTS = _schema({"document_id": pl.String, "title": pl.String, "text": pl.String})
QUERIES = _schema({"split": pl.String, "query_id": pl.String, "text": pl.String})
QRELS = _schema({"split": pl.String, "query_id": pl.String, "document_id": pl.String, "score": pl.Int32})

# --- queries/: queries.parquet, in published order
FROZEN_QUERIES = _schema(
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
CANDIDATES = _schema(
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

# --- judgements/<method>/: judgements.parquet, for each candidate that a judge was shown. A document's text is left out.
# reason is null for keep (but `judge_failed` where there was no answer), detail is the judge's word, score its number.
JUDGEMENTS = _schema(
    {
        "query_id": pl.String,
        "document_id": pl.String,
        "text": pl.String,
        "verdict": pl.String,
        "reason": pl.String,
        "detail": pl.String,
        "score": pl.Float64,
        "provenance": PROVENANCE,
    }
)

# --- negatives/<method>/: negatives.parquet. position is 1..n for the chosen ones, else null.
NEGATIVES = _schema(
    {**CANDIDATES, "verdict": pl.String, "reason": pl.String, "position": pl.Int32},
)

# --- ledger.parquet beside every stage's output, and ledger/ in the dataset
LEDGER = _schema(
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
PUBLISHED_QUERIES = _schema(
    {
        "query_id": pl.String,
        "query": pl.String,
        "positive_ids": pl.List(pl.String),
        "provenance": PROVENANCE,
    }
)
SCORES = ("bm25_score", "dense_score", "ce_score")
"""What the scorers of a build gave a candidate, whichever method it is a candidate of."""

SCORED = _schema(
    {
        "query_id": pl.String,
        "query": pl.String,
        "document_id": pl.String,
        "text": pl.String,
        "label": pl.Int8,
        "rank": pl.Int32,
        "score": pl.Float64,
        **dict.fromkeys(SCORES, pl.Float64()),
        "verdict": pl.String,
        "reason": pl.String,
        "position": pl.Int32,
        "provenance": PROVENANCE,
    }
)
SCORED_BEFORE = _schema({name: dtype for name, dtype in SCORED.items() if name not in SCORES})
"""Of datasets that were published before there were `SCORES`."""


def triplet(negatives: int) -> pl.Schema:
    """The training-ready columns, in sentence-transformers' order: query, positive, negative_1 .. negative_n."""
    names = ["query", "positive", *(f"negative_{i}" for i in range(1, negatives + 1))]
    return pl.Schema(dict.fromkeys(names, pl.String))


def arrow_schema(schema: pl.Schema) -> "pa.Schema":
    """The same columns as Arrow's, with plain (not large, not view) strings and lists: what every Parquet file holds."""
    import pyarrow as pa

    def plain(type_: "PolarsDataType") -> pa.DataType:
        if isinstance(type_, pl.Struct):
            return pa.struct([pa.field(field.name, plain(field.dtype)) for field in type_.fields])
        if isinstance(type_, pl.List):
            return pa.list_(plain(type_.inner))
        return pa.type_for_alias(str(type_).lower())

    return pa.schema([pa.field(name, plain(type_)) for name, type_ in schema.items()])


def features(schema: pl.Schema) -> "datasets.Features":
    """The same columns as `datasets.Features`."""
    import datasets

    return datasets.Features.from_arrow_schema(arrow_schema(schema))


def offered() -> pl.Expr:
    """Of rows of SCORED whether guard, cut, rank window and judge left it: kept, in the window, and shown to the judge if there was one."""
    passed_over = pl.col("reason").is_in(["outside_window", "not_judged"]).fill_null(value=False)
    return (pl.col("verdict") == "keep") & ~passed_over
