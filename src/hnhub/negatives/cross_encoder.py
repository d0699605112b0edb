"""Candidates scored by a model that reads query and document together (`scorers`).

Scores are kept raw, positives are scored by the same model, and the cut against the positive's score is made later, by
negatives.choose.
"""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from hnhub.encode.agreement import kendall_tau
from hnhub.encode.devices import devices, token_budget
from hnhub.errors import InputError
from hnhub.negatives._parts import make_parts
from hnhub.negatives._ranked import read_queries, retrieved, writing
from hnhub.negatives._texts import texts_of
from hnhub.negatives.cut import cut
from hnhub.negatives.mining import Mining
from hnhub.progress import report
from hnhub.records import Precision, Provenance, Recipe
from hnhub.score.journal import ScoreJournal
from hnhub.score.scorers import find_reference, load_scorers, score_pairs
from hnhub.stages import fingerprint

__all__ = ["identity", "make_candidates"]

log = logging.getLogger(__name__)

_MOST, _LEAST, _PARTS = 512, 64, 64
"""Queries whose pairs are sorted by length together: few enough that many workers have something to do."""
_QUERIES, _SHARE, _CANDIDATES = 8, 24, 12
"""Queries at most, of a small build one in so many (float32 is slow), and candidates of each, whose scores are held against it."""


def identity(cross_encoder: str) -> dict[str, str]:
    """Model and revision, for the stage's fingerprint. Raises as `scorers.find_reference`."""
    return find_reference(cross_encoder).identity()


def make_candidates(out: Path, work: Path, mining: Mining) -> dict[str, Any]:
    """Score the first `depth` documents that the sources retrieved for each query, and its positive; write them by score.

    The sources' rankings are merged by rank (at equal rank in the order of `sources`) and cut to `depth`. Rank 1 is the best
    score, equal scores keep the merged order; a positive that no source retrieved has no rank and stands last. Scores are
    journaled in `work` batch by batch. Batches are planned over all pairs of a part, done or not, so a resumed run gives the
    same bytes. Raises InputError if the engine's workers compute in different dtypes.
    """
    queries, sources, engine = mining.queries, mining.sources, mining.engine
    recipe, depth, cross_encoder = mining.recipe, mining.recipe.depth, mining.recipe.cross_encoder
    count = pq.read_metadata(queries).num_rows
    compare = partial(_agreement, recipe=recipe, sources=dict(sources), documents=mining.documents, queries=queries)
    (agreement,) = engine.map(compare, 1, gpu=True)
    if agreement["dtype"] != "float32":
        log.log(
            logging.INFO if recipe.precision == "auto" else logging.WARNING,
            "%s in %s: of a sample, Kendall's tau to float32's scores is %.3f, and %.1f %% of what the cut decides is the same",
            identity(cross_encoder)["model"],
            agreement["dtype"],
            agreement["tau_to_float32"],
            100 * agreement["decisions_kept"],
        )
    score = partial(
        _score_part,
        sources=dict(sources),
        documents=mining.documents,
        queries=queries,
        depth=depth,
        cross_encoder=cross_encoder,
        precision=recipe.precision,
        corpus_revision=mining.corpus_revision,
    )
    size = min(_MOST, max(_LEAST, count // _PARTS))
    parts = make_parts(
        out,
        work,
        score,
        queries=queries,
        size=size,
        engine=engine,
        about=partial(_dtype, cross_encoder, recipe.precision),
        gpu=True,
    )
    dtypes = {part["dtype"] for part in parts}
    if len(dtypes) > 1:
        raise InputError(
            f"{cross_encoder}: workers score in different dtypes", do="use workers with one kind of GPU, or without"
        )
    names = ("queries", "pairs", "scored", "rows", "positives_retrieved")
    return {
        "method": "ce",
        "scorer": "query likelihood" if cross_encoder == "local" else "cross-encoder",
        **identity(cross_encoder),
        **agreement,
        "dtype": dtypes.pop(),
        "sources": list(sources),
        "depth": depth,
        **{name: sum(part[name] for part in parts) for name in names},
    }


def _dtype(cross_encoder: str, precision: Precision) -> dict[str, object]:
    return {"dtype": load_scorers(cross_encoder, precision)[0].dtype}


def _agreement(
    _: int, *, recipe: Recipe, sources: Mapping[str, Path], documents: Path, queries: Path
) -> dict[str, Any]:
    """With the same model in float32: of some queries Kendall's tau, and the share of candidates that the cut treats the same."""
    scorer = load_scorers(recipe.cross_encoder, recipe.precision)[0]
    found = {"dtype": scorer.dtype, "tau_to_float32": 1.0, "decisions_kept": 1.0}
    if scorer.dtype == "float32":
        return found
    exact = load_scorers(recipe.cross_encoder, "fp32")[0]
    asked = read_queries(queries)
    sample = min(_QUERIES, max(1, len(asked) // _SHARE))
    rows = _merge(asked[:sample], sources, min(recipe.depth, _CANDIDATES))
    rows = _with_texts(rows, documents).sort("order", -pl.col("label"), maintain_order=True)
    pairs = rows.select("query", "text").rows()
    scores = np.zeros((2, len(pairs)))
    for which, one in enumerate((exact, scorer)):
        for batch in one.batches(pairs, token_budget("cpu")):
            scores[which, batch.rows] = one.score([pairs[i] for i in batch.rows])
    taus, same = [], []
    for _key, places in rows.with_row_index("place").group_by("order", maintain_order=True):
        own = scores[:, places["place"].to_numpy()]
        taus.append(kendall_tau(*own))
        verdicts = (
            cut(each[0], each[1:].tolist(), max_percent=recipe.max_percent, max_margin=recipe.max_margin)
            for each in own
        )
        same += [one == other for one, other in zip(*verdicts, strict=True)]
    if not same:  # no query has a candidate
        return found
    return {**found, "tau_to_float32": round(float(np.mean(taus)), 4), "decisions_kept": round(float(np.mean(same)), 4)}


def _score_part(
    out: Path,
    work: Path,
    part: slice,
    *,
    sources: Mapping[str, Path],
    documents: Path,
    queries: Path,
    depth: int,
    cross_encoder: str,
    precision: Precision,
    corpus_revision: str,
) -> dict[str, Any]:
    reference, scorers = find_reference(cross_encoder), load_scorers(cross_encoder, precision)
    frozen = read_queries(queries)
    asked = frozen[part]
    rows = _with_texts(_merge(asked, sources, depth), documents)
    journal = ScoreJournal(work, fingerprint({**reference.identity(), "dtype": scorers[0].dtype})[:16])
    provenance = Provenance(
        method="ce", model=reference.name, revision=reference.revision, corpus_revision=corpus_revision
    )
    try:
        scores = score_pairs(
            rows.select("query", "text").rows(),
            scorers,
            journal,
            token_budget(devices()[0]),
            lambda share: report("scoring", part.start + int(len(asked) * share), len(frozen), unit="queries"),
        )
        scored = rows.with_columns(pl.Series("score", scores, dtype=pl.Float64))
        with writing(out, provenance) as writer:
            writer.add(_ranked(scored))
        return {
            "dtype": scorers[0].dtype,
            "queries": len(asked),
            "pairs": len(rows),
            "scored": len(journal),
            "rows": writer.rows,
            "positives_retrieved": writer.positives_retrieved,
        }
    finally:
        journal.close()


def _merge(queries: pl.DataFrame, sources: Mapping[str, Path], depth: int) -> pl.DataFrame:
    """query_id, query, document_id, label, found: what is to be scored, in the order that breaks ties."""
    ids = queries["query_id"].to_list()
    found = pl.concat(
        [
            retrieved(path, ids).filter(pl.col("rank") <= depth).with_columns(source=pl.lit(order))
            for order, path in enumerate(sources.values())
        ]
    )
    order = queries.with_row_index("order")
    merged = (
        found.join(order.select("query_id", "order", "positive_id"), on="query_id")
        .sort("order", "rank", "source")
        .unique(["order", "document_id"], keep="first", maintain_order=True)
        .group_by("order", maintain_order=True)
        .head(depth)
    )
    positives = order.select("order", pl.col("positive_id").alias("document_id"), "positive_id")
    missing = positives.join(merged, on=["order", "document_id"], how="anti")
    rows = pl.concat(
        [
            merged.select("order", "document_id", "positive_id", found=pl.lit(value=True)),
            missing.select("order", "document_id", "positive_id", found=pl.lit(value=False)),
        ]
    )
    return (
        rows.join(order.select("order", "query_id", "query"), on="order", maintain_order="left")
        .sort("order", ~pl.col("found"), maintain_order=True)
        .select(
            "order",
            "query_id",
            "query",
            "document_id",
            (pl.col("document_id") == pl.col("positive_id")).cast(pl.Int8).alias("label"),
            "found",
        )
    )


def _with_texts(rows: pl.DataFrame, documents: Path) -> pl.DataFrame:
    known = texts_of(documents, rows["document_id"])
    for document_id in rows["document_id"]:
        if document_id not in known:
            raise InputError(
                f"{documents}: has no document {document_id}", do="make the candidates again from this corpus"
            )
    return rows.with_columns(
        text=pl.Series([known[document_id] for document_id in rows["document_id"]], dtype=pl.String)
    )


def _ranked(rows: pl.DataFrame) -> pl.DataFrame:
    ordered = rows.sort("order", ~pl.col("found"), -pl.col("score"), maintain_order=True)
    place = pl.int_range(1, pl.len() + 1).over("order")
    return ordered.with_columns(rank=pl.when("found").then(place))
