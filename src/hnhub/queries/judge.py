"""A judge of written queries: each is to be answered by its passage, and understood without it."""

from collections.abc import Iterator, Sequence
from typing import Any

from hnhub.llm.prompts import Prompt
from hnhub.llm.types import Answer, LanguageModel
from hnhub.stages import fingerprint

__all__ = ["REASONS", "judge_queries"]

REASONS = {"answerable": "not_answerable", "alone": "not_alone"}
"""By the member of the judge's answer: why a query with too few points there is dropped."""

_FAILED = "query_judge_failed"


def judge_queries(
    model: LanguageModel, prompt: Prompt, asked: Sequence[tuple[str, str, str]], *, least: int, seed: int
) -> Iterator[tuple[tuple[str, str] | None, Answer]]:
    """For each (query id, query, passage), in order: the reason and detail for which it is dropped, or None; and the answer.

    Points are from 0 to 10; a query needs `least` in every grade that the prompt's answer has. Without a usable answer it is
    dropped, too: `query_judge_failed`. Answered without chance (temperature 0).
    """
    own = int(fingerprint({"seed": seed})[:8], 16) >> 1
    requests = (
        prompt.judging(query_id, method="query-judge", seed=own, query=query, passage=passage)
        for query_id, query, passage in asked
    )
    for answer in model.ask(requests):
        yield _reason(answer, least), answer


def _reason(answer: Answer, least: int) -> tuple[str, str] | None:
    grades = _grades(answer.value)
    if answer.failure is not None or not grades:
        return _FAILED, answer.failure or "the answer has no grade from 0 to 10"
    name = min(grades, key=grades.__getitem__)
    return (REASONS[name], f"{grades[name]:g} of 10, wanted {least}") if grades[name] < least else None


def _grades(value: Any) -> dict[str, float]:
    found = value if isinstance(value, dict) else {}
    numbers = {name: found[name] for name in REASONS if isinstance(found.get(name), int | float)}
    return {name: number for name, number in numbers.items() if 0 <= number <= 10}
