"""Candidates scored by a model that reads query and document together: any CrossEncoder, or `local`.

`local` is query likelihood under the embedded language model (`_query_likelihood`), for machines without the Hub.

Scores are kept raw (logits or log-probabilities, often negative), positives are scored by the same model, and the cut
against the positive's score is made later, by negatives.choose.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hnhub.encode.devices import Dtype, devices, token_budget
from hnhub.encode.models import ModelRef, resolve
from hnhub.errors import HnhubError, InputError
from hnhub.negatives._ranked import read_queries, retrieved, writing
from hnhub.negatives._score_journal import ScoreJournal, pair_key
from hnhub.negatives._texts import Texts
from hnhub.progress import report
from hnhub.records import Provenance
from hnhub.stages import file_sha256, fingerprint

__all__ = ["Scorer", "identity", "make_candidates"]

_QUERIES = 512
"""Queries whose pairs are in memory, and sorted by length, at a time."""


class Scorer(Protocol):
    """Scores pairs of texts."""

    @property
    def dtype(self) -> Dtype:
        """What the body computes in."""
        ...

    def batches(self, pairs: Sequence[tuple[str, str]], budget: int) -> list[NDArray[np.intp]]:
        """Cut the pairs' indices into batches of about `budget` tokens; depends on nothing but the pairs."""
        ...

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Scores [n] of a batch, higher is more relevant."""
        ...


def identity(cross_encoder: str) -> dict[str, str]:
    """Model and revision, for the stage's fingerprint, without loading it.

    Raises InputError if there is no such model, MissingExtra if `local` has no weights, ServiceError if the Hub is needed
    and doesn't answer.
    """
    return _reference(cross_encoder).identity()


def make_candidates(
    out: Path,
    work: Path,
    *,
    sources: Mapping[str, Path],
    documents: Path,
    queries: Path,
    depth: int,
    cross_encoder: str,
    corpus_revision: str,
) -> dict[str, Any]:
    """Score the first `depth` documents that the sources retrieved for each query, and its positive; write them by score.

    The sources' rankings are merged by rank (at equal rank in the order of `sources`) and cut to `depth`. Rank 1 is the best
    score, equal scores keep the merged order; a positive that no source retrieved has no rank and stands last. Scores are
    journaled in `work` batch by batch. Batches are planned over all pairs, done or not, so a resumed run gives the same bytes.
    """
    reference = _reference(cross_encoder)
    frozen, texts = read_queries(queries), Texts(documents)
    gpus = devices()
    scorers = [_load(cross_encoder, reference, device) for device in gpus]
    journal = ScoreJournal(work, fingerprint({**reference.identity(), "dtype": scorers[0].dtype})[:16])
    local = cross_encoder == "local"
    provenance = Provenance(
        method="ce", model=reference.name, revision=reference.revision, corpus_revision=corpus_revision
    )
    pairs = 0
    try:
        with writing(out, provenance) as writer:
            for start in range(0, max(len(frozen), 1), _QUERIES):
                part = frozen.slice(start, _QUERIES)
                rows = _with_texts(_merge(part, sources, depth), documents, texts)
                scored = _score(rows, scorers, journal, token_budget(gpus[0]), at=start / max(len(frozen), 1))
                pairs += len(rows)
                writer.add(_ranked(scored))
    finally:
        journal.close()
    return {
        "method": "ce",
        "scorer": "query likelihood" if local else "cross-encoder",
        **reference.identity(),
        "dtype": scorers[0].dtype,
        "sources": list(sources),
        "depth": depth,
        "queries": len(frozen),
        "pairs": pairs,
        "scored": len(journal),
        "rows": writer.rows,
        "positives_retrieved": writer.positives_retrieved,
    }


def _reference(cross_encoder: str) -> ModelRef:
    if cross_encoder != "local":
        return resolve(cross_encoder)
    from hnhub.llm.embedded import source_path

    path = source_path()
    return ModelRef(path.stem, f"sha256:{file_sha256(path)[:16]}", str(path))


def _load(cross_encoder: str, reference: ModelRef, device: str) -> Scorer:
    if cross_encoder == "local":
        from hnhub.negatives._query_likelihood import QueryLikelihood

        return QueryLikelihood(Path(reference.source), device=device)
    from hnhub.negatives._pair_scorer import PairScorer

    return PairScorer(reference, device=device)


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
        rows.join(order.select("order", "query_id", "query"), on="order")
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


def _with_texts(rows: pl.DataFrame, documents: Path, texts: Texts) -> pl.DataFrame:
    known = texts.of(rows["document_id"])
    for document_id in rows["document_id"]:
        if document_id not in known:
            raise InputError(
                f"{documents}: has no document {document_id}", do="make the candidates again from this corpus"
            )
    return rows.with_columns(
        text=pl.Series([known[document_id] for document_id in rows["document_id"]], dtype=pl.String)
    )


def _score(
    rows: pl.DataFrame, scorers: Sequence[Scorer], journal: ScoreJournal, budget: int, *, at: float
) -> pl.DataFrame:
    keys = [pair_key(query, text) for query, text in rows.select("query", "text").iter_rows()]
    distinct = dict(zip(keys, rows.select("query", "text").iter_rows(), strict=True))
    pairs, names = list(distinct.values()), list(distinct)
    batches = scorers[0].batches(pairs, budget)
    todo = [batch for batch in batches if not all(names[i] in journal for i in batch)]
    done = len(batches) - len(todo)

    def work(scorer: Scorer, mine: Sequence[NDArray[np.intp]]) -> None:
        nonlocal done
        for batch in mine:
            scores = scorer.score([pairs[i] for i in batch])
            if not np.isfinite(scores).all():
                bad = pairs[int(batch[int(np.argmin(np.isfinite(scores)))])]
                raise HnhubError(f"the score of query {bad[0][:60]!r} is not a number", do="use another model or dtype")
            journal.add({names[i]: float(score) for i, score in zip(batch, scores, strict=True)})
            done += 1
            report("scoring pairs", round(1000 * (at + done / len(batches) * (1 - at))), 1000)

    if len(scorers) == 1:
        work(scorers[0], todo)
    else:
        with ThreadPoolExecutor(len(scorers)) as pool:
            shares = [todo[index :: len(scorers)] for index in range(len(scorers))]
            list(pool.map(work, scorers, shares))
    return rows.with_columns(pl.Series("score", [journal[key] for key in keys], dtype=pl.Float64))


def _ranked(rows: pl.DataFrame) -> pl.DataFrame:
    ordered = rows.sort("order", ~pl.col("found"), -pl.col("score"), maintain_order=True)
    place = pl.int_range(1, pl.len() + 1).over("order")
    return ordered.with_columns(rank=pl.when("found").then(place))
