"""From a method's candidates to its negatives: guard, positive-aware cut, sampling, and what to do when too few are left."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from hnhub.errors import InputError, RuleBroken
from hnhub.negatives._texts import Texts
from hnhub.negatives.cut import CUT_REASONS, cut
from hnhub.negatives.guard import Judged, Keys, judge
from hnhub.negatives.sample import in_window, sample
from hnhub.progress import report
from hnhub.records import Drop, Recipe, Verdict
from hnhub.schema import CANDIDATES, LEDGER, NEGATIVES, arrow_schema

__all__ = ["make_negatives"]

log = logging.getLogger(__name__)

_BATCH = 2048
# Queries whose candidates and texts are held at once.


def make_negatives(
    out: Path, *, method: str, candidates: Path, documents: Path, queries: Path, qrels: Path, recipe: Recipe
) -> dict[str, Any]:
    """Write negatives.parquet (NEGATIVES) and ledger.parquet into `out`; return the facts.

    Every candidate is written, in the order of the queries and then of the ranks, with verdict and reason; the chosen have
    positions 1..n in rank order. A candidate that is good but not chosen has neither reason nor position, or the reason
    `outside_window`. A query with fewer than `recipe.negatives` stands in the ledger as `shortfall`, and
    `on_shortfall` says what becomes of it: `drop` (it has no positions, so no row), `keep` (positions 1..m), `fail`.
    There is no backfill. The cut applies to `ce`, whose scorer scored the positive too.

    Raises InputError for candidates that name unknown queries or documents, RuleBroken for a shortfall that must not be.
    """
    frozen = pl.read_parquet(queries, columns=["query_id", "query", "positive_ids"])
    _check_queries(candidates, frozen)
    relevant = _relevant(frozen, qrels)
    texts = Texts(documents)
    totals, reasons = Counter[str](), Counter[str]()
    columns, ledger_columns = arrow_schema(NEGATIVES), arrow_schema(LEDGER)
    with (
        pq.ParquetWriter(out / "negatives.parquet", columns, compression="zstd") as writer,
        pq.ParquetWriter(out / "ledger.parquet", ledger_columns, compression="zstd") as ledger,
    ):
        for at in range(0, len(frozen), _BATCH):
            part = frozen[at : at + _BATCH].join(relevant, on="query_id", how="left", maintain_order="left")
            frame = _read(candidates, part)
            marks, drops = _decide(_Batch(frame, part, texts, candidates), method, recipe, totals)
            frame = frame.drop("order").with_columns(marks)
            for reason, count in frame["reason"].drop_nulls().value_counts().iter_rows():
                reasons[reason] += count
            writer.write_table(frame.to_arrow().cast(columns))
            ledger.write_table(_ledger(frame, method).to_arrow().cast(ledger_columns))
            rows = pl.DataFrame([asdict(drop) for drop in drops], schema=list(LEDGER.names()), schema_overrides=LEDGER)
            ledger.write_table(rows.to_arrow().cast(ledger_columns))
            report(f"{method}: negatives of queries", min(at + _BATCH, len(frozen)), len(frozen))
    if totals["shortfall"]:
        log.warning(
            "%s: %d of %d queries have fewer than %d negatives",
            method,
            totals["shortfall"],
            len(frozen),
            recipe.negatives,
        )
    return _facts(method, len(frozen), totals, reasons, recipe)


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


def _decide(batch: _Batch, method: str, recipe: Recipe, totals: Counter[str]) -> tuple[pl.DataFrame, list[Drop]]:
    """The columns verdict, reason and position of a batch's rows, and its queries that came short."""
    marks: list[tuple[Verdict, str | None, int | None]] = []
    drops = []
    start = 0
    for (query_id, query, positive_ids, judged_ids), end in zip(batch.queries, batch.ends, strict=True):
        first = start + sum(batch.is_positive[start:end])
        positive_score = batch.scores[start] if first > start else None
        judged = Judged(query, positive_ids[0], [*positive_ids, *(judged_ids or ())], batch.texts, batch.keys)
        scores = batch.scores[first:end]
        verdicts = [
            verdict if reason is None else ("drop", reason)
            for verdict, reason in zip(
                _cut(method, recipe, positive_score, scores),
                judge(judged, batch.candidates(first, end), batch.keys),
                strict=True,
            )
        ]
        inside = [
            in_window(batch.ranks[i], batch.ids[i] is None, rank_min=recipe.rank_min, rank_max=recipe.rank_max)
            for i in range(first, end)
        ]
        usable = [verdict == "keep" and within for (verdict, _), within in zip(verdicts, inside, strict=True)]
        chosen = sample(
            scores,
            usable,
            recipe.negatives,
            sampling=recipe.sampling,
            seed=recipe.seed,
            method=method,
            query_id=query_id,
        )
        totals.update(candidates=end - first, usable=sum(usable))
        if len(chosen) < recipe.negatives:
            drops.append(_shortfall(method, query_id, len(chosen), recipe))
            chosen = chosen if recipe.on_shortfall == "keep" else []
        totals["chosen"] += len(chosen)
        positions = {at: position for position, at in enumerate(chosen, 1)}
        marks += [("keep", None, None)] * (first - start)
        marks += [
            (verdict, reason or (None if within else "outside_window"), positions.get(at))
            for at, ((verdict, reason), within) in enumerate(zip(verdicts, inside, strict=True))
        ]
        start = end
    totals["shortfall"] += len(drops)
    names = ("verdict", "reason", "position")
    return pl.DataFrame(marks, schema={name: NEGATIVES[name] for name in names}, orient="row"), drops


def _cut(
    method: str, recipe: Recipe, positive: float | None, scores: Sequence[float | None]
) -> Sequence[tuple[Verdict, str | None]]:
    if method != "ce":
        return [("keep", None)] * len(scores)
    return cut(positive, scores, max_percent=recipe.max_percent, max_margin=recipe.max_margin)


def _shortfall(method: str, query_id: str, found: int, recipe: Recipe) -> Drop:
    detail = f"{found} of {recipe.negatives} negatives"
    if recipe.on_shortfall == "fail":
        raise RuleBroken(
            f"{method}: query {query_id!r} has {detail}",
            do="raise --depth, ask for fewer --negatives, or --on-shortfall drop",
        )
    return Drop(f"negatives/{method}", "shortfall", method, query_id, detail=f"{detail}; {recipe.on_shortfall}")


def _ledger(frame: pl.DataFrame, method: str) -> pl.DataFrame:
    """A row for each candidate that is no negative."""
    ranks = pl.when(pl.col("document_id").is_null()).then(pl.format("rank {}", "rank"))
    return frame.filter(pl.col("verdict") != "keep").select(
        pl.lit(f"negatives/{method}").alias("stage"),
        pl.lit(method).alias("method"),
        "query_id",
        "document_id",
        "reason",
        ranks.alias("detail"),
    )


def _facts(method: str, queries: int, totals: Counter[str], reasons: Counter[str], recipe: Recipe) -> dict[str, Any]:
    outside = reasons.pop("outside_window", 0)
    facts: dict[str, Any] = {
        "method": method,
        "queries": queries,
        "candidates": totals["candidates"],
        "usable": totals["usable"],
        "outside_window": outside,
        "chosen": totals["chosen"],
        "dropped": dict(sorted(reasons.items())),
        "shortfall": {"queries": totals["shortfall"], "handling": recipe.on_shortfall},
    }
    if method == "ce":
        removed = sum(reasons[reason] for reason in CUT_REASONS)
        judged = totals["candidates"] - sum(reasons.values()) + removed
        facts["cut"] = {"judged": judged, "removed": removed, "share": round(removed / judged, 6) if judged else 0.0}
    return facts
