"""Judges that see a query's passages together, and judges one after the other."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import groupby
from pathlib import Path

from hnhub.llm.prompts import Prompt
from hnhub.llm.types import Answer, LanguageModel, Request
from hnhub.negatives._eligible import Eligible
from hnhub.negatives.cut import BY_GRADE
from hnhub.negatives.judge import FAILED, REASONS, Judge, Judging, Row, tokens_of
from hnhub.stages import fingerprint
from hnhub.text.shorten import shorten

__all__ = ["AT_ONCE", "cascade_judge", "listwise_judge"]

AT_ONCE = 40
"""Passages of a request: with more the prompt's `max_tokens` hold no answer."""

Pairs = Sequence[tuple[Eligible, int]]


def listwise_judge(model: LanguageModel, prompt: Prompt, seed: int) -> Judge:
    """One request a query (for each AT_ONCE passages), at temperature 0: the answer that its positive gives, then a grade of 0 to 3 for every passage.

    What each grade does is as for a judge of pairs. An answer without as many grades as passages is none for all of them.
    The prompt's limit of `passages` is shared among them.
    """
    own = int(fingerprint({"seed": seed})[:8], 16) >> 1

    def ask(pairs: Pairs) -> Request:
        one = pairs[0][0]
        longest = max(1, prompt.limits["passages"] // len(pairs) - 8) if "passages" in prompt.limits else None
        texts = (one.candidates[at][1] for _, at in pairs)
        numbered = [
            f"[{number}] {text if longest is None else shorten(text, longest)}" for number, text in enumerate(texts, 1)
        ]
        return prompt.judging(
            f"{one.query_id}#list",
            method="judge",
            seed=own,
            query=one.query,
            positive=one.positive,
            passages="\n\n".join(numbered),
        )

    def judging(pairs: Pairs) -> Iterator[Row]:
        by_query = [list(group) for _, group in groupby(pairs, lambda pair: pair[0].query_id)]
        groups = [group[at : at + AT_ONCE] for group in by_query for at in range(0, len(group), AT_ONCE)]
        for group, answer in zip(groups, model.ask(ask(group) for group in groups), strict=True):
            yield from _rows(answer, prompt.texts(answer), len(group))

    return Judge(lambda _: nullcontext(judging))  # answers are in the journal


def _rows(answer: Answer, grades: Sequence[str], count: int) -> Iterator[Row]:
    usable = len(grades) == count and set(grades) <= {"0", "1", "2", "3"}
    for number in range(count):
        row: Row = {"score": None, "provenance": answer.provenance, "tokens": tokens_of(answer) if not number else {}}
        if usable:
            verdict = BY_GRADE[int(grades[number])]
            told = {"score": float(grades[number]), "detail": f"relevance {grades[number]}"}
            yield {**row, **told, "verdict": verdict, "reason": REASONS[verdict]}
        else:
            detail = answer.failure or f"{len(grades)} grades for {count} passages"
            yield {**row, "verdict": "keep", "reason": FAILED, "detail": detail}


def cascade_judge(weak: Judge, strong: Judge) -> Judge:
    """Everything is shown to the weak judge; what it would not keep, the strong one decides on.

    Where the strong one gives no answer the weak one's word stands. A row's provenance is of who decided.
    """

    @contextmanager
    def opened(work: Path) -> Iterator[Judging]:
        with weak.opened(work) as first, strong.opened(work) as second:

            def judging(pairs: Pairs) -> Iterator[Row]:
                found = list(first(pairs))
                doubtful = [pair for pair, row in zip(pairs, found, strict=True) if row["verdict"] != "keep"]
                decided = second(doubtful) if doubtful else iter(())
                for row in found:
                    if row["verdict"] == "keep":
                        yield row
                        continue
                    last = next(decided)
                    tokens = Counter[str](row.get("tokens", {})) + Counter[str](last.get("tokens", {}))
                    detail = f"{row['detail']}; {last['detail']}"
                    if last["reason"] == FAILED:
                        yield {**row, "detail": detail, "tokens": tokens}
                    else:
                        yield {**last, "detail": detail, "tokens": tokens}

            yield judging

    return Judge(opened, weak.about, weak.gpu)
