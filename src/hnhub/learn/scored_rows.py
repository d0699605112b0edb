"""From a published `<config>-scored` to rows with a teacher's scores: the chosen negatives, or passages spread over the scores."""

import polars as pl

from hnhub.errors import InputError
from hnhub.records import LEVEL_REASONS
from hnhub.schema import offered
from hnhub.score.strata import spread_order
from hnhub.stages import fingerprint

__all__ = ["scored_rows"]

_HIGHEST = 3.0
"""The level of a positive among passages that were written at levels."""


def scored_rows(scored: pl.DataFrame, candidates: int | None, seed: int) -> tuple[pl.DataFrame, int]:
    """Rows of query, positive, negative_1..n and label (n + 1 scores), one a positive; and how many queries make none.

    n is the number of chosen negatives, or `candidates`: those are drawn from all passages that guard, cut, rank window and judge
    left, evenly over the order of their scores, for each row by its own draw. A query with fewer has nulls. A positive that the
    scorer did not score, as a row of its own or as a candidate, has a null in its label. Passages that were written at levels
    of relevance are learnt from at every level: all of them, if no number is given. Raises InputError without scores.
    """
    if scored["score"].is_null().all():
        raise InputError("the scored config has no scores to learn from", do="train with --loss ranking")
    rows = scored.filter(pl.col("text").is_not_null()).with_row_index("row")
    written = pl.col("reason").is_in(list(LEVEL_REASONS.values()))
    levels = bool(rows.select(written.any()).item())
    known = rows.filter(pl.col("document_id").is_not_null()).group_by("query_id", "document_id")
    best = known.agg(pl.col("score").max().alias("any_score"))
    positives = rows.filter(pl.col("label") == 1).unique(["query_id", "text"], keep="first", maintain_order=True)
    positives = positives.join(best, on=["query_id", "document_id"], how="left", maintain_order="left").select(
        "row",
        "query_id",
        "query",
        pl.col("text").alias("positive"),
        pl.coalesce("score", "any_score", pl.lit(_HIGHEST if levels else None)).alias("score"),
    )
    usable = offered() | written
    pool = rows.filter((pl.col("label") == 0) & pl.col("score").is_not_null() & usable)
    if candidates is None and levels:
        candidates = int(pool.group_by("query_id").len()["len"].max() or 0)  # type: ignore[arg-type]
    if candidates is None:
        candidates = int(scored["position"].max() or 0)  # type: ignore[arg-type]
        pool = pool.filter(pl.col("position").is_not_null()).sort("position", "row")
        spread = False
    else:
        pool, spread = pool.sort("score", "row", descending=[True, False]), True
    passages = {
        query_id: list(zip(texts, scores, strict=True))
        for query_id, texts, scores in pool.group_by("query_id", maintain_order=True).agg("text", "score").iter_rows()
    }
    found = []
    for _, query_id, query, positive, score in positives.iter_rows():
        own = passages.get(query_id, [])
        if not own:
            continue
        order = list(range(len(own)))
        if spread:
            key = fingerprint({"seed": seed, "query": query_id, "positive": positive})
            order = sorted(spread_order(len(own), int(key[:16], 16))[:candidates])
        texts = [own[at][0] for at in order[:candidates]]
        scores = [own[at][1] for at in order[:candidates]]
        short = [None] * (candidates - len(texts))
        found.append((query, positive, *texts, *short, [score, *scores, *short]))
    columns = ["query", "positive", *(f"negative_{number + 1}" for number in range(candidates))]
    schema = pl.Schema([*((name, pl.String) for name in columns), ("label", pl.List(pl.Float64))])
    without = scored["query_id"].n_unique() - len(
        {query_id for query_id in positives["query_id"] if query_id in passages}
    )
    return pl.DataFrame(found, schema=schema, orient="row"), without
