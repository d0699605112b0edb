"""A query's candidates as guard, cut and rank window leave them: what `judge` judges, and `choose` takes negatives from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from hnhub.errors import InputError
from hnhub.negatives._texts import Texts
from hnhub.negatives.cut import cut, cut_by_level
from hnhub.negatives.guard import Judged, Keys, judge
from hnhub.negatives.sample import draw_order, in_window
from hnhub.progress import report
from hnhub.records import METHODS, Recipe, Verdict
from hnhub.schema import CANDIDATES

__all__ = ["Eligible", "eligible_candidates"]

_BATCH = 2048
# Queries whose candidates and texts are held at once.


@dataclass(frozen=True)
class Eligible:
    """A query and its candidates, in rank order."""

    query_id: str
    query: str
    positive: str
    positives: int
    """Rows of the positive before the candidates: one, or none where the method did not score it."""
    candidates: list[tuple[str | None, str]]
    """Document id (None for a generated text) and text."""
    verdicts: list[tuple[Verdict, str | None]]
    """And reasons. `keep` outside of the rank window has the reason `outside_window`."""
    order: list[int]
    """The usable ones, by index, the first to be taken first."""


def eligible_candidates(
    candidates: Path, *, method: str, documents: Path, queries: Path, qrels: Path, recipe: Recipe, chunked: bool = False
) -> Iterator[tuple[pl.DataFrame, list[Eligible]]]:
    """In batches of queries: the rows (CANDIDATES; of each query its positive first, then by rank), and what they are.

    The cut applies where the scorer scored the positive too. `chunked`: ids are `<file>#<n>`. Raises InputError for candidates
    that name unknown queries or documents.
    """
    frozen = pl.read_parquet(queries, columns=["query_id", "query", "positive_ids"])
    _check_queries(candidates, frozen)
    relevant = _relevant(frozen, qrels)
    texts = Texts(documents)
    for at in range(0, len(frozen), _BATCH):
        part = frozen[at : at + _BATCH].join(relevant, on="query_id", how="left", maintain_order="left")
        frame = _read(candidates, part)
        yield frame.drop("order"), list(_eligible(_Batch(frame, part, texts, candidates), method, recipe, chunked))
        report("candidates looked at", min(at + _BATCH, len(frozen)), len(frozen), unit="queries")


def _check_queries(candidates: Path, frozen: pl.DataFrame) -> None:
    schema = pl.read_parquet_schema(candidates)
    if list(schema) != CANDIDATES.names():
        raise InputError(
            f"{candidates}: has the columns {', '.join(schema)}, not {', '.join(CANDIDATES)}", do="make it again"
        )
    known = frozen.lazy().select("query_id")
    unknown = pl.scan_parquet(candidates).select("query_id").join(known, on="query_id", how="anti").head(1).collect()
    if len(unknown):
        raise InputError(
            f"{candidates}: query {unknown.item()!r} is not among the frozen queries",
            do="delete the stage to make it again",
        )


def _relevant(frozen: pl.DataFrame, qrels: Path) -> pl.DataFrame:
    """Query_id and the ids of every document judged over 0 for it, in any split."""
    judged = pl.scan_parquet(qrels).filter(pl.col("score") > 0).select("query_id", "document_id")
    judged = judged.join(frozen.lazy().select("query_id"), on="query_id", how="semi")
    return judged.group_by("query_id").agg(pl.col("document_id").unique().sort().alias("relevant")).collect()


def _read(candidates: Path, part: pl.DataFrame) -> pl.DataFrame:
    """The candidates of these queries, in the queries' order: each one's positive first, then by rank."""
    order = part.select("query_id").with_row_index("order")
    frame = pl.scan_parquet(candidates).join(order.lazy(), on="query_id", maintain_order="left").collect()
    return frame.sort("order", pl.col("label") != 1, "rank", nulls_last=True, maintain_order=True)


class _Batch:
    """Some queries with their candidates and all texts that these name, as plain lists."""

    def __init__(self, frame: pl.DataFrame, part: pl.DataFrame, texts: Texts, candidates: Path) -> None:
        ids = [part["positive_ids"].explode(), part["relevant"].explode(), frame["document_id"]]
        self.texts = texts.of(pl.concat(ids))
        self.keys = Keys(self.texts)
        self.queries = part.rows()
        self.ids: list[str | None] = frame["document_id"].to_list()
        self.generated: list[str | None] = frame["text"].to_list()
        self.ranks: list[int | None] = frame["rank"].to_list()
        self.scores: list[float | None] = frame["score"].to_list()
        self.is_positive: list[bool] = (frame["label"] == 1).to_list()
        sizes = np.bincount(frame["order"].to_numpy(), minlength=len(part))
        self.ends: list[int] = np.cumsum(sizes).tolist()
        named = [*self.ids, *(row[2][0] for row in self.queries)]
        if unknown := next((name for name in named if name is not None and name not in self.texts), None):
            raise InputError(
                f"{candidates}: document {unknown!r} is not in the corpus", do="delete the stage to make it again"
            )

    def candidates(self, start: int, end: int) -> list[tuple[str | None, str]]:
        """Document id and text of these rows."""
        return [
            (name, self.generated[i] or "" if name is None else self.texts[name])
            for i, name in enumerate(self.ids[start:end], start)
        ]


def _eligible(batch: _Batch, method: str, recipe: Recipe, chunked: bool) -> Iterator[Eligible]:
    start = 0
    for (query_id, query, positive_ids, judged_ids), end in zip(batch.queries, batch.ends, strict=True):
        first = start + sum(batch.is_positive[start:end])
        positive_score = batch.scores[start] if first > start else None
        relevant = [*positive_ids, *(judged_ids or ())]
        judged = Judged(query, positive_ids, relevant, batch.texts, batch.keys, chunked=chunked)
        candidates, scores = batch.candidates(first, end), batch.scores[first:end]
        verdicts = [
            verdict if reason is None else ("drop", reason)
            for verdict, reason in zip(
                _cut(method, recipe, positive_score, scores), judge(judged, candidates, batch.keys), strict=True
            )
        ]
        for at, (verdict, _) in enumerate(verdicts):
            row = first + at
            if verdict == "keep" and not in_window(
                batch.ranks[row], batch.ids[row] is None, rank_min=recipe.rank_min, rank_max=recipe.rank_max
            ):
                verdicts[at] = ("keep", "outside_window")
        order = draw_order(
            scores,
            [verdict == ("keep", None) for verdict in verdicts],
            sampling=recipe.sampling,
            seed=recipe.seed,
            method=method,
            query_id=query_id,
        )
        yield Eligible(query_id, query, judged.positive, first - start, candidates, verdicts, order)
        start = end


def _cut(
    method: str, recipe: Recipe, positive: float | None, scores: Sequence[float | None]
) -> Sequence[tuple[Verdict, str | None]]:
    if METHODS[method].graded:
        return cut_by_level(scores)
    if not METHODS[method].scores_positive:
        return [("keep", None)] * len(scores)
    return cut(positive, scores, max_percent=recipe.max_percent, max_margin=recipe.max_margin)
