"""What a query may not be. Each check gives the reason for which a query is dropped, or None."""

import json
from collections.abc import Sequence

from hnhub.llm.prompts import Prompt
from hnhub.queries.held_out import HeldOut
from hnhub.text.similarity import best_near, containment, normalise, repeats
from hnhub.text.sound import unsound

__all__ = ["COPIED", "fault", "held_out_reasons", "longest", "repeat_reasons"]

COPIED = 0.9
"""Share of a query's 5-grams found in a text from which the query counts as copied from it."""

_COPY_WORDS = 6
# A shorter query is a keyword query: it stands in its passage by rights.
_DEFAULT_LONGEST = 300


def longest(prompt: Prompt) -> int:
    """How many characters a query may have: fewer than the prompt's schema allows, since one that fills it was cut off."""
    properties = json.loads(prompt.schema)["properties"] if prompt.schema else {}
    return int(properties.get("query", {}).get("maxLength", _DEFAULT_LONGEST + 1)) - 1


def fault(
    query: str, passage: str, *, longest: int, examples: Sequence[str], language: str | None = None
) -> str | None:
    """Look at a written query by itself: `empty`, `too_long`, `prompt_example`, no text at all, or `copied` from the passage."""
    if not normalise(query):
        return "empty"
    if len(query) > longest:
        return "too_long"
    if any(containment(query, example) >= COPIED for example in examples):
        return "prompt_example"
    if reason := unsound(query, language=language):
        return reason
    if len(query.split()) >= _COPY_WORDS and containment(query, passage) >= COPIED:
        return "copied"
    return None


def held_out_reasons(queries: Sequence[str], held_out: HeldOut) -> list[tuple[str, str] | None]:
    """For each query `equals_test` or `near_test` with the id of the held-out query that it repeats, else None."""
    return [
        None
        if at is None
        else (
            "equals_test" if normalise(query) == normalise(held_out.queries[at]) else "near_test",
            held_out.query_ids[at],
        )
        for query, at in zip(queries, best_near(queries, held_out.queries), strict=True)
    ]


def repeat_reasons(query_ids: Sequence[str], queries: Sequence[str]) -> list[tuple[str, str] | None]:
    """For each query `duplicate` or `near_duplicate` with the id of the earlier kept query that it repeats, else None."""
    return [
        None
        if at is None
        else ("duplicate" if normalise(query) == normalise(queries[at]) else "near_duplicate", query_ids[at])
        for query, at in zip(queries, repeats(queries), strict=True)
    ]
