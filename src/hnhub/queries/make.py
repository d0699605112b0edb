"""The stage that freezes the queries: every method gets the same ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from hnhub.errors import InputError, UsageError
from hnhub.llm.prompts import Prompt
from hnhub.llm.types import LanguageModel
from hnhub.marks import REVIEWED, Marks
from hnhub.queries.from_qrels import take_queries
from hnhub.queries.generate import Search, write_queries
from hnhub.queries.held_out import load_held_out
from hnhub.records import Drop, Recipe
from hnhub.schema import FROZEN_QUERIES, LEDGER

__all__ = ["make_queries"]


def make_queries(
    out: Path,
    *,
    corpus: Path,
    recipe: Recipe,
    models: Sequence[LanguageModel],
    prompts: Mapping[str, Prompt],
    search: Search | None,
    corpus_revision: str,
    marks: Marks | None = None,
) -> dict[str, Any]:
    """Write queries.parquet (FROZEN_QUERIES) and ledger.parquet into `out`; return the facts.

    `models`: who writes them (drawn by the seed if there are several; the first one judges), by `prompts` of these tasks.
    `search` is needed for the round trip of written queries (None: no round trip). What `marks` call bad is dropped
    (`reviewed`): queries, and positives of a query that has others. Raises UsageError if queries are to
    be written and there is no model, InputError if no query is left.
    """
    held_out = load_held_out(corpus)
    if recipe.queries_from == "qrels":
        rows, drops, facts = take_queries(corpus, recipe=recipe, held_out=held_out, corpus_revision=corpus_revision)
    elif not models:
        raise UsageError(
            "queries can't be written without a model", do="name one by --endpoint, or use --queries-from qrels"
        )
    else:
        rows, drops, facts = write_queries(
            corpus,
            recipe=recipe,
            models=models,
            prompts=prompts,
            search=search,
            held_out=held_out,
            corpus_revision=corpus_revision,
        )
    if marks:
        rows, reviewed = _without_bad(rows, marks)
        drops = [*drops, *reviewed]
    dropped = Counter(drop.reason for drop in drops)
    if not rows:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items())) or "none was found"
        raise InputError(
            f"{corpus}: no query is left ({reasons})", do="look at the prompt and the model, or ask for more"
        )
    pl.DataFrame(rows, schema=FROZEN_QUERIES).write_parquet(out / "queries.parquet")
    pl.DataFrame([asdict(drop) for drop in drops], schema=LEDGER).write_parquet(out / "ledger.parquet")
    return {
        "from": recipe.queries_from,
        "counts": dict(Counter(row["split"] for row in rows)),
        "dropped": dict(sorted(dropped.items())),
        "styles": dict(sorted(Counter(style for row in rows if (style := row["provenance"]["style"])).items())),
        "evaluation_splits": list(held_out.splits),
        **facts,
    }


def _without_bad(rows: Sequence[Mapping[str, Any]], marks: Marks) -> tuple[list[dict[str, Any]], list[Drop]]:
    """The queries (rows of FROZEN_QUERIES) without those that a person marked, and without positives that they did."""
    kept, drops = [], []
    for row in rows:
        query_id = row["query_id"]
        bad = [name for name in row["positive_ids"] if (query_id, name) in marks.bad_positives]
        drops += [
            Drop("queries", REVIEWED, None, query_id, name, marks.bad_positives[query_id, name] or "bad positive")
            for name in bad
        ]
        good = [name for name in row["positive_ids"] if name not in bad]
        if query_id in marks.bad_queries:
            drops.append(Drop("queries", REVIEWED, None, query_id, detail=marks.bad_queries[query_id] or "bad query"))
        elif not good:
            drops.append(Drop("queries", REVIEWED, None, query_id, detail="no positive is left"))
        else:
            kept.append({**row, "positive_ids": good})
    return kept, drops
