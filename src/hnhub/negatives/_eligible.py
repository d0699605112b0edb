"""A query's candidates as guard, cut and rank window leave them: what `judge` judges, and `choose` takes negatives from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from hnhub.errors import InputError
from hnhub.negatives._in_order import in_parts
from hnhub.negatives._texts import texts_of
from hnhub.negatives.cut import cut, cut_by_level
from hnhub.negatives.guard import Judged, Keys, judge
from hnhub.negatives.sample import draw_order, in_window
from hnhub.progress import report
from hnhub.records import METHODS, Recipe, Verdict
from hnhub.schema import CANDIDATES
from hnhub.text.documents import Texts, wanted_ids

__all__ = ["Eligible", "check_candidates", "eligible_candidates", "eligible_part"]

_TEXTS_OF = 256
# Queries whose texts are held at once.
_FROZEN = ["query_id", "query", "positive_ids"]
_LookUp = Callable[[pl.Series], Mapping[str, str]]


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
    candidates: Path,
    scratch: Path,
    *,
    method: str,
    documents: Path,
    queries: Path,
    qrels: Path,
    recipe: Recipe,
    chunked: bool = False,
) -> Iterator[tuple[pl.DataFrame, Iterator[Eligible]]]:
    """In batches of queries: the rows (CANDIDATES; of each query its positive first, then by rank), and what they are.

    The cut applies where the scorer scored the positive too. `chunked`: ids are `<file>#<n>`. The texts that are named lie in
    the folder `scratch`, which the caller removes. Raises InputError for candidates that name unknown queries or documents.
    """
    _check_columns(candidates)
    frozen = pl.read_parquet(queries, columns=_FROZEN)
    if twice := frozen.filter(pl.col("query_id").is_duplicated())["query_id"].head(1).to_list():
        raise InputError(f"{queries}: query id {twice[0]!r} stands there twice", do="give every query an id of its own")
    relevant = _relevant(frozen, qrels)
    listed = (frozen.lazy().select(document_id="positive_ids"), relevant.lazy().select(document_id="relevant"))
    named = [ids.explode("document_id", empty_as_null=True, keep_nulls=True) for ids in listed]
    texts = Texts(documents, wanted_ids([*named, pl.scan_parquet(candidates)]), scratch, lacking=True)
    for which, frame in in_parts(candidates, frozen["query_id"]):
        part = frozen[which].join(relevant, on="query_id", how="left", maintain_order="left")
        rows = _in_rank_order(frame)
        batches = _batches(rows, part, texts.of, candidates)
        yield rows.drop("order"), (one for batch in batches for one in _eligible(batch, method, recipe, chunked))
        report("candidates looked at", which.start + len(part), len(frozen), unit="queries")


def eligible_part(
    candidates: Path,
    part: slice,
    *,
    method: str,
    documents: Path,
    queries: Path,
    qrels: Path,
    recipe: Recipe,
    chunked: bool = False,
) -> list[Eligible]:
    """Of these queries alone what `eligible_candidates` gives, after `check_candidates`; their texts are held."""
    frozen = pl.read_parquet(queries, columns=_FROZEN)[part]
    order = frozen.select("query_id").with_row_index("order")
    own = pl.scan_parquet(candidates).filter(pl.col("query_id").is_in(frozen["query_id"].implode()))
    rows = _in_rank_order(own.collect().join(order, on="query_id", maintain_order="left"))
    asked = frozen.join(_relevant(frozen, qrels), on="query_id", how="left", maintain_order="left")
    known = texts_of(
        documents, pl.concat([asked["positive_ids"].explode(), asked["relevant"].explode(), rows["document_id"]])
    )
    batches = _batches(rows, asked, lambda _: known, candidates)
    return [one for batch in batches for one in _eligible(batch, method, recipe, chunked)]


def check_candidates(candidates: Path, frozen: pl.DataFrame) -> None:
    """Raise InputError if the file has other columns than CANDIDATES or names a query that is not among the frozen ones."""
    _check_columns(candidates)
    known = frozen.lazy().select("query_id")
    named = pl.scan_parquet(candidates).select("query_id").unique()
    if len(unknown := named.join(known, on="query_id", how="anti").head(1).collect(engine="streaming")):
        raise InputError(
            f"{candidates}: query {unknown.item()!r} is not among the frozen queries",
            do="delete the stage to make it again",
        )


def _check_columns(candidates: Path) -> None:
    if list(columns := pl.read_parquet_schema(candidates)) != CANDIDATES.names():
        raise InputError(
            f"{candidates}: has the columns {', '.join(columns)}, not {', '.join(CANDIDATES)}", do="make it again"
        )


def _in_rank_order(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("order", pl.col("label") != 1, "rank", nulls_last=True, maintain_order=True)


def _relevant(frozen: pl.DataFrame, qrels: Path) -> pl.DataFrame:
    """Query_id and the ids of every document judged over 0 for it, in any split."""
    judged = pl.scan_parquet(qrels).filter(pl.col("score") > 0).select("query_id", "document_id")
    judged = judged.join(frozen.lazy().select("query_id"), on="query_id", how="semi")
    return judged.group_by("query_id").agg(pl.col("document_id").unique().sort().alias("relevant")).collect()


def _batches(rows: pl.DataFrame, part: pl.DataFrame, look_up: _LookUp, candidates: Path) -> Iterator["_Batch"]:
    for first in range(0, len(part), _TEXTS_OF):
        own = rows.filter(pl.col("order").is_between(first, first + _TEXTS_OF, closed="left"))
        yield _Batch(own.with_columns(pl.col("order") - first), part[first : first + _TEXTS_OF], look_up, candidates)


class _Batch:
    """Some queries with their candidates and all texts that these name, as plain lists."""

    def __init__(self, frame: pl.DataFrame, part: pl.DataFrame, look_up: _LookUp, candidates: Path) -> None:
        ids = [part["positive_ids"].explode(), part["relevant"].explode(), frame["document_id"]]
        self.texts = look_up(pl.concat(ids))
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
