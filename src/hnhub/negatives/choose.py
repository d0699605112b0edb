"""From a method's candidates to its negatives: guard, positive-aware cut, sampling, and what to do when too few are left."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from hnhub.errors import InputError, RuleBroken
from hnhub.marks import REVIEWED, Marks
from hnhub.negatives._eligible import Eligible, eligible_candidates
from hnhub.negatives._in_order import in_parts
from hnhub.negatives.cut import CUT_REASONS
from hnhub.negatives.guard import REASONS
from hnhub.records import METHODS, Drop, Recipe, Verdict
from hnhub.schema import JUDGEMENTS, LEDGER, NEGATIVES, arrow_schema

__all__ = ["make_negatives"]

log = logging.getLogger(__name__)

_promoted = pl.col("verdict") == "promote"

_Judgement = tuple[Verdict, str | None, str | None]
"""Verdict, reason and the judge's word."""


def make_negatives(
    out: Path,
    *,
    method: str,
    candidates: Path,
    documents: Path,
    queries: Path,
    qrels: Path,
    recipe: Recipe,
    judgements: Path | None = None,
    chunked: bool = False,
    marks: Marks | None = None,
) -> dict[str, Any]:
    """Write negatives.parquet (NEGATIVES) and ledger.parquet into `out`; return the facts.

    Every candidate is written, in the order of the queries and then of the ranks, with verdict and reason; the chosen have
    positions 1..n in rank order. A candidate that is good but not chosen has neither reason nor position, or the reason
    `outside_window`. A query with fewer than `recipe.negatives` stands in the ledger as `shortfall`, and
    `on_shortfall` says what becomes of it: `drop` (it has no positions, so no row), `keep` (positions 1..m), `fail`.
    There is no backfill. With `promote` "positive" what is promoted gets the label 1: a further positive. The cut applies where the scorer scored the positive too. With `judgements` (JUDGEMENTS) only
    what was judged and kept is chosen; the others have the judge's verdict and reason, or the reason `not_judged`. What `marks` say is no negative
    is dropped or promoted with the reason `reviewed`, over cut and judge, unless the guard has dropped it already.

    Raises InputError for candidates that name unknown queries or documents, RuleBroken for a shortfall that must not be.
    """
    totals, reasons = Counter[str](), Counter[str]()
    columns, ledger_columns = arrow_schema(NEGATIVES), arrow_schema(LEDGER)
    with (
        TemporaryDirectory(prefix=".texts-", dir=out) as scratch,
        pq.ParquetWriter(out / "negatives.parquet", columns, compression="zstd") as writer,
        pq.ParquetWriter(out / "ledger.parquet", ledger_columns, compression="zstd") as ledger,
    ):
        batches = eligible_candidates(
            candidates,
            Path(scratch),
            method=method,
            documents=documents,
            queries=queries,
            qrels=qrels,
            recipe=recipe,
            chunked=chunked,
        )
        for (rows, batch), judged in zip(batches, _judged(judgements, queries), strict=judgements is not None):
            said = {} if marks is None else marks.negatives
            columns_of, drops = _decide(batch, method, recipe, totals, judgements=judged, said=said)
            frame = rows.with_columns(columns_of)
            if recipe.promote == "positive":
                frame = frame.with_columns(_promoted.cast(pl.Int8).alias("label") | pl.col("label"))
            for reason, count in frame["reason"].drop_nulls().value_counts().iter_rows():
                reasons[reason] += count
            writer.write_table(frame.select(NEGATIVES.names()).to_arrow().cast(columns))
            ledger.write_table(_ledger(frame, method).to_arrow().cast(ledger_columns))
            short = pl.DataFrame([asdict(drop) for drop in drops], schema=list(LEDGER.names()), schema_overrides=LEDGER)
            ledger.write_table(short.to_arrow().cast(ledger_columns))
    if totals["shortfall"]:
        dropped = recipe.on_shortfall == "drop"
        log.warning(
            "%s: %d of %d queries have fewer than %d negatives and are %s; %s",
            method,
            totals["shortfall"],
            totals["queries"],
            recipe.negatives,
            "dropped" if dropped else "kept with them",
            ("" if METHODS[method].written else "raise --depth, ")
            + "ask for fewer --negatives"
            + (", or keep them by --on-shortfall keep" if dropped else ""),
        )
    return _facts(method, totals, reasons, recipe)


def _judged(path: Path | None, queries: Path) -> Iterator[dict[str, dict[str, _Judgement]] | None]:
    """For each batch of queries, by query id, and document id or generated text."""
    if path is None:
        yield from repeat(None)
        return
    if (columns := pl.read_parquet_schema(path)) != JUDGEMENTS:
        raise InputError(
            f"{path}: has the columns {', '.join(columns)}, not {', '.join(JUDGEMENTS)}", do="make it again"
        )
    names = ("query_id", pl.coalesce("document_id", "text"), "verdict", "reason", "detail")
    for _, rows in in_parts(path, pl.read_parquet(queries, columns=["query_id"])["query_id"]):
        found: dict[str, dict[str, _Judgement]] = {}
        for query_id, candidate, *judgement in rows.select(*names).iter_rows():
            found.setdefault(query_id, {})[candidate] = tuple(judgement)
        yield found


def _decide(
    batch: Iterable[Eligible],
    method: str,
    recipe: Recipe,
    totals: Counter[str],
    *,
    judgements: Mapping[str, Mapping[str, _Judgement]] | None,
    said: Mapping[tuple[str, str], _Judgement],
) -> tuple[pl.DataFrame, list[Drop]]:
    """The columns verdict, reason, position and detail of a batch's rows, and its queries that came short."""
    marks: list[tuple[Verdict, str | None, int | None, str | None]] = []
    drops = []
    for one in batch:
        verdicts: list[_Judgement] = [(verdict, reason, None) for verdict, reason in one.verdicts]
        usable = one.order
        if judgements is not None:
            found = judgements.get(one.query_id, {})
            for at in one.order:
                document_id, text = one.candidates[at]
                verdicts[at] = found.get(text if document_id is None else document_id, ("keep", "not_judged", None))
            usable = [at for at in one.order if verdicts[at][0] == "keep" and verdicts[at][1] != "not_judged"]
        for at, (document_id, text) in enumerate(one.candidates) if said else ():
            if (mark := said.get((one.query_id, document_id or text))) and verdicts[at][1] not in REASONS:
                verdicts[at] = mark
        usable = [at for at in usable if verdicts[at][1] != REVIEWED]
        chosen = sorted(usable[: recipe.negatives])
        totals.update(queries=1, candidates=len(one.candidates), usable=len(usable))
        if len(chosen) < recipe.negatives:
            drops.append(_shortfall(method, one.query_id, len(chosen), recipe))
            chosen = chosen if recipe.on_shortfall == "keep" else []
        totals["chosen"] += len(chosen)
        positions = {at: position for position, at in enumerate(chosen, 1)}
        marks += [("keep", None, None, None)] * one.positives
        marks += [(verdict, reason, positions.get(at), detail) for at, (verdict, reason, detail) in enumerate(verdicts)]
    totals["shortfall"] += len(drops)
    names = ("verdict", "reason", "position")
    columns = pl.Schema([*((name, NEGATIVES[name]) for name in names), ("detail", pl.String)])
    return pl.DataFrame(marks, schema=columns, orient="row"), drops


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
    return frame.filter((pl.col("verdict") != "keep") & (pl.col("label") == 0)).select(
        pl.lit(f"negatives/{method}").alias("stage"),
        pl.lit(method).alias("method"),
        "query_id",
        "document_id",
        "reason",
        pl.concat_str("detail", ranks, separator="; ", ignore_nulls=True).replace("", None).alias("detail"),
    )


def _facts(method: str, totals: Counter[str], reasons: Counter[str], recipe: Recipe) -> dict[str, Any]:
    kept = {reason: reasons.pop(reason) for reason in ("not_judged", "judge_failed") if reason in reasons}
    outside = reasons.pop("outside_window", 0)
    facts: dict[str, Any] = {
        "method": method,
        "queries": totals["queries"],
        "candidates": totals["candidates"],
        "usable": totals["usable"],
        "outside_window": outside,
        **kept,
        "chosen": totals["chosen"],
        "dropped": dict(sorted(reasons.items())),
        "shortfall": {"queries": totals["shortfall"], "handling": recipe.on_shortfall},
    }
    if METHODS[method].scores_positive:
        removed = sum(reasons[reason] for reason in CUT_REASONS)
        judged = totals["candidates"] - sum(reasons[reason] for reason in REASONS)
        facts["cut"] = {"judged": judged, "removed": removed, "share": round(removed / judged, 6) if judged else 0.0}
    return facts
