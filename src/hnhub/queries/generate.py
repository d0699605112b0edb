"""Queries written by a language model, each from a sampled passage (or two of a document), which become its positives."""

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hnhub.errors import UsageError
from hnhub.llm.prompts import Prompt
from hnhub.llm.types import LanguageModel
from hnhub.queries.held_out import HeldOut, read_documents
from hnhub.queries.rounds import Rounds, Search, Written
from hnhub.queries.slots import Part, Siblings, Slot, parts
from hnhub.queries.styles import quotas, spread
from hnhub.records import WRITTEN_QUERIES, Drop, Recipe

__all__ = ["MAX_ASKED", "MAX_ROUNDS", "Search", "write_queries"]

log = logging.getLogger(__name__)

MAX_ROUNDS = 8
MAX_ASKED = 5
"""Queries asked for at most, as a multiple of those wanted."""

_ONE_STYLE = ""


def write_queries(
    corpus: Path,
    *,
    recipe: Recipe,
    models: Sequence[LanguageModel],
    prompts: Mapping[str, Prompt],
    search: Search | None,
    held_out: HeldOut,
    corpus_revision: str,
) -> tuple[list[dict[str, Any]], list[Drop], dict[str, Any]]:
    """Have as many queries written as the recipe says; return rows of FROZEN_QUERIES in document order, drops and facts.

    Passages are drawn in a seeded order, in rounds: each round asks for as many queries of each style as should, by the share
    kept so far, be enough. Passages judged relevant to a held-out query, and near copies of those, are left alone. A round's
    queries pass the filters in the order in which they were asked for, so the outcome depends only on the answers.

    `prompts` are by task: `query`, or `query.<style>` for each style, and `query-judge`. Where the corpus says which passages
    are of which split (`hnhub.queries.slots.parts`), train gets the recipe's number, the others as many for each passage.
    Raises UsageError for a style of two passages where no document has two.
    """
    found = parts(corpus, held_out, recipe.seed)
    first = max(1, len(found[0].order)) if found else 1
    state = Rounds(
        recipe, models=models, prompts=prompts, held_out=held_out, search=search, corpus_revision=corpus_revision
    )
    rows: list[dict[str, Any]] = []
    for part in found:
        wanted = math.ceil((recipe.query_limit or WRITTEN_QUERIES) * len(part.order) / first)
        rows += _rounds(corpus, part, wanted, state)
    facts = {
        "passages": sum(len(part.order) for part in found),
        "passages_judged_in_held_out": len(held_out.positives),
        **{name: state.counts[name] for name in ("drawn", "asked", "rounds", "prompt_tokens", "completion_tokens")},
    }
    return rows, state.drops, facts


def _rounds(corpus: Path, part: Part, wanted: int, state: Rounds) -> list[dict[str, Any]]:
    """The queries of one split."""
    recipe = state.recipe
    quota = quotas(recipe.query_styles or [(_ONE_STYLE, 1.0)], wanted)
    siblings = Siblings(corpus, part.order) if any(map(state.needs_second, quota)) else None
    if siblings and not siblings.any:
        style = next(filter(state.needs_second, quota))
        raise UsageError(
            f"style {style} needs two passages of a document, and {part.split} has no document with two",
            do="leave the style out, or give a folder of documents, which hnhub cuts into passages",
        )
    kept: list[Written] = []
    tried = Counter[str]()
    drawn = rounds = 0
    while rounds < MAX_ROUNDS:
        have = Counter(one.slot.style or _ONE_STYLE for one in kept)
        need = {style: _count(count, have[style], tried[style]) for style, count in quota.items()}
        room = MAX_ASKED * wanted - tried.total()
        line = spread(need)[:room]
        rows = part.order[drawn : drawn + math.ceil(len(line) / recipe.per_passage)]
        if not line or not len(rows):
            break
        drawn += len(rows)
        rounds += 1
        places = _places(rows, line, state, siblings)
        tried.update(style for *_, style, _ in places)
        kept += state.ask(_slots(corpus, rows, places, state))
    state.counts["drawn"] += drawn
    state.counts["rounds"] += rounds
    left = Counter(quota)
    chosen = []
    for one in kept:
        if left[one.slot.style or _ONE_STYLE] > 0:
            left[one.slot.style or _ONE_STYLE] -= 1
            chosen.append(one)
        else:
            state.drop("surplus", one.slot, one.query)
    if missing := +left:
        short = ", ".join(f"{count} {style}".strip() for style, count in missing.items())
        room = len(part.order) * recipe.per_passage
        few = f" (the passages give {room} at most)" if room < wanted else ""
        log.warning(
            "%d of %d queries were kept, %s short%s; see the ledger for the reasons", len(chosen), wanted, short, few
        )
    return [_frozen(one, part.split) for one in sorted(chosen, key=lambda one: (one.slot.row, one.slot.number))]


def _places(
    rows: np.ndarray[Any, np.dtype[np.uint32]], line: list[str], state: Rounds, siblings: Siblings | None
) -> list[tuple[int, int, str, int | None]]:
    """For each query of a round: its passage's row, its number there, its style, and the row of a second passage.

    A passage takes the first style in line that it can serve.
    """
    found: list[tuple[int, int, str, int | None]] = []
    for row in rows.tolist():
        for number in range(state.recipe.per_passage):
            second = siblings.of(row, number, state.recipe.seed) if siblings else None
            at = next((i for i, s in enumerate(line) if second is not None or not state.needs_second(s)), None)
            if at is not None:
                style = line.pop(at)
                found.append((row, number, style, second if state.needs_second(style) else None))
    return found


def _slots(
    corpus: Path,
    rows: np.ndarray[Any, np.dtype[np.uint32]],
    places: Sequence[tuple[int, int, str, int | None]],
    state: Rounds,
) -> list[Slot]:
    """The queries to ask for, without those whose passages can't be used."""
    wanted = list(dict.fromkeys([*rows.tolist(), *(second for *_, second in places if second is not None)]))
    frame = pl.DataFrame({"row": pl.Series(wanted, dtype=pl.UInt32)})
    passages = state.usable(frame.join(read_documents(corpus, frame), on="row", maintain_order="left"))
    text_of = {row: (document_id, text) for row, document_id, text in passages.iter_rows()}
    return [
        Slot(row, text_of[row][0], number, style or None, text_of[row][1], None if second is None else text_of[second])
        for row, number, style, second in places
        if row in text_of and (second is None or second in text_of)
    ]


def _count(wanted: int, kept: int, tried: int) -> int:
    """How many queries to ask for next: what is missing over the share kept so far (at first: nine of ten), and a few."""
    share = max(kept / tried, 0.1) if tried else 0.9
    return max(0, math.ceil((wanted - kept) / share * 1.05))


def _frozen(one: Written, split: str) -> dict[str, Any]:
    return {
        "split": split,
        "query_id": one.slot.query_id,
        "query": one.query,
        "positive_ids": one.slot.positive_ids,
        "provenance": asdict(one.provenance),
    }
