"""Another selection from scored candidates: cut, window and sampling anew, guard and judge as they were."""

from collections.abc import Iterator

import polars as pl

from hnhub.errors import RuleBroken
from hnhub.negatives.cut import CUT_REASONS, cut
from hnhub.negatives.sample import draw_order, in_window
from hnhub.records import Drop, Recipe, Verdict
from hnhub.schema import SCORED

__all__ = ["UNDONE", "recut"]

UNDONE = (*CUT_REASONS, "outside_window")
"""Reasons that are decided anew; what guard or judge dropped stays dropped, what a judge was not shown stays unchosen."""


def recut(scored: pl.DataFrame, method: str, recipe: Recipe, by: str = "score") -> tuple[pl.DataFrame, list[Drop]]:
    """Rows of `<method>-scored` (SCORED) of whole queries with other verdicts, reasons and positions; the queries that came short.

    Cut and draws go by the column `by`: the method's own score, or another scorer's (`SCORES`).
    The recipe's limits apply to any scores, also where the method's build had no cut; they need the positive's. Candidates that
    were made positives stay that. Equal to what a build with the recipe chooses, as long as no judge is asked.
    """
    marks: list[tuple[str | None, str | None, int | None]] = []
    drops: list[Drop] = []
    for query_id, rows in _queries(scored, by):
        first = sum(label == 1 for _, label, *_ in rows)
        scores = [score for *_, score in rows[first:]]
        positive = rows[0][-1] if first else None
        verdicts: list[tuple[Verdict, str | None]] = []
        for (document_id, _, rank, verdict, reason, _), anew in zip(
            rows[first:],
            cut(positive, scores, max_percent=recipe.max_percent, max_margin=recipe.max_margin),
            strict=True,
        ):
            if reason is not None and reason not in UNDONE:
                verdicts.append((verdict, reason))
            elif anew[0] == "keep" and not in_window(
                rank, document_id is None, rank_min=recipe.rank_min, rank_max=recipe.rank_max
            ):
                verdicts.append(("keep", "outside_window"))
            else:
                verdicts.append(anew)
        order = draw_order(
            scores, [one == ("keep", None) for one in verdicts],
            sampling=recipe.sampling, seed=recipe.seed, method=method, query_id=query_id,
        )  # fmt: skip
        chosen = sorted(order[: recipe.negatives])
        if len(chosen) < recipe.negatives:
            detail = f"{len(chosen)} of {recipe.negatives} negatives"
            if recipe.on_shortfall == "fail":
                raise RuleBroken(
                    f"{method}: query {query_id!r} has {detail}", do="ask for fewer, cut less, or --on-shortfall drop"
                )
            drops.append(
                Drop(f"negatives/{method}", "shortfall", method, query_id, detail=f"{detail}; {recipe.on_shortfall}")
            )
            chosen = chosen if recipe.on_shortfall == "keep" else []
        positions = {at: position for position, at in enumerate(chosen, 1)}
        marks += [(verdict, reason, None) for _, _, _, verdict, reason, _ in rows[:first]]
        marks += [(*one, positions.get(at)) for at, one in enumerate(verdicts)]
    names = ("verdict", "reason", "position")
    columns = pl.DataFrame(marks, schema={name: SCORED[name] for name in names}, orient="row")
    return scored.with_columns(columns), drops


def _queries(scored: pl.DataFrame, by: str) -> Iterator[tuple[str, list[tuple]]]:  # type: ignore[type-arg]
    columns = ("document_id", "label", "rank", "verdict", "reason", by)
    for part in scored.select("query_id", *columns).partition_by("query_id", maintain_order=True):
        yield part["query_id"][0], part.select(columns).rows()
