"""Candidates of several miners fused by reciprocal rank (Cormack, Clarke and Buettcher, SIGIR 2009)."""

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from hnhub.errors import UsageError
from hnhub.negatives._parts import make_parts
from hnhub.negatives._ranked import read_queries, retrieved, writing
from hnhub.negatives.mining import Mining
from hnhub.records import Provenance

__all__ = ["RRF_K", "make_candidates"]

RRF_K = 60
"""The paper's constant: a document at rank r adds 1 / (60 + r)."""
_QUERIES = 4096


def make_candidates(out: Path, work: Path, mining: Mining) -> dict[str, Any]:
    """Write the `depth` documents with the highest sum over the sources of 1 / (60 + rank), and the positive.

    `sources` are finished candidates.parquet by name; what they hold is taken as deep as it goes. Equal sums are ordered by
    the best rank, then by the order of `sources`. A positive that is not among them follows without a rank.
    Raises UsageError with fewer than two sources.
    """
    sources, depth = mining.sources, mining.recipe.depth
    if len(sources) < 2:
        raise UsageError("hybrid needs the candidates of at least two miners", do="give bm25 and dense")
    provenance = Provenance(
        method="hybrid",
        model=f"reciprocal rank fusion, k={RRF_K}: {' + '.join(sources)}",
        corpus_revision=mining.corpus_revision,
    )
    fuse = partial(
        _fuse_part, queries=mining.queries, sources=list(sources.values()), depth=depth, provenance=provenance
    )
    parts = make_parts(out, work, fuse, queries=mining.queries, size=_QUERIES, engine=mining.engine)
    totals = {name: sum(part[name] for part in parts) for name in ("queries", "rows", "positives_retrieved")}
    return {"method": "hybrid", "rrf_k": RRF_K, "sources": list(sources), "depth": depth, **totals}


def _fuse_part(
    out: Path, _: Path, part: slice, *, queries: Path, sources: list[Path], depth: int, provenance: Provenance
) -> dict[str, int]:
    asked = read_queries(queries)[part]
    with writing(out, provenance) as writer:
        writer.add(_fuse(asked, sources, depth))
    return {"queries": len(asked), "rows": writer.rows, "positives_retrieved": writer.positives_retrieved}


def _fuse(queries: pl.DataFrame, paths: list[Path], depth: int) -> pl.DataFrame:
    order = queries.with_row_index("order")
    # The positive takes part with no rank, so that it has a score even where nothing retrieved it.
    fused = order.select("order", "query_id", pl.col("positive_id").alias("document_id"))
    names = [f"rank_{number}" for number in range(len(paths))]
    for name, path in zip(names, paths, strict=True):
        ranks = retrieved(path, queries["query_id"].to_list()).rename({"rank": name})
        fused = fused.join(ranks, on=["query_id", "document_id"], how="full", coalesce=True)
    ranks_of = [pl.col(name) for name in names]
    # Added in the order of the sources: a float's sum depends on it.
    score = pl.lit(0.0)
    for rank in ranks_of:
        score = score + (1 / (RRF_K + rank)).fill_null(0.0)
    best = pl.min_horizontal(ranks_of)
    source = pl.coalesce(pl.when(rank == best).then(number) for number, rank in enumerate(ranks_of))
    ranked = (
        fused.drop("order")
        .join(order.select("order", "query_id", "positive_id"), on="query_id")
        .with_columns(score=score, best=best, source=source)
        .sort("order", -pl.col("score"), "best", "source", nulls_last=True)
        .with_columns(
            rank=pl.when(pl.col("best").is_not_null()).then(pl.int_range(1, pl.len() + 1).over("order")),
            label=(pl.col("document_id") == pl.col("positive_id")).cast(pl.Int8),
        )
    )
    # A positive below the cut keeps its score and loses its rank.
    kept = ranked.filter((pl.col("rank") <= depth) | (pl.col("label") == 1))
    return kept.with_columns(pl.when(pl.col("rank") <= depth).then(pl.col("rank")).alias("rank"))
