"""The positive-aware cut: a candidate that scores nearly as high as the positive is likely a false negative."""

import math
from collections.abc import Sequence

from hnhub.records import LEVEL_REASONS, Verdict

__all__ = ["BY_GRADE", "CUT_REASONS", "cut", "cut_by_level", "threshold"]

CUT_REASONS = ("above_cut", "above_positive", "positive_unscored", "unscored")
"""What the cut removes a candidate for."""


BY_GRADE: tuple[Verdict, ...] = ("keep", "keep", "drop", "promote")
"""By TREC's grade: 1 is on the topic without an answer, which is what a hard negative is."""


def cut_by_level(levels: Sequence[float | None]) -> list[tuple[Verdict, str | None]]:
    """Verdict and reason of passages that were written at levels of 0 to 3: of 2 and 3 they are no negatives."""
    verdicts = [BY_GRADE[int(level or 0)] for level in levels]
    return [(verdict, LEVEL_REASONS.get(verdict)) for verdict in verdicts]


def threshold(positive: float, *, max_percent: float | None, max_margin: float | None) -> float:
    """The highest score that a negative may have; infinity without a limit, the lower one of two.

    TopK-PercPos of NV-Retriever (arXiv 2407.15831) is `max_percent * positive`, which for a negative score (a logit, a
    log likelihood) lies above the positive. So the distance is what counts here: positive - (1 - max_percent) * |positive|,
    the same for scores over 0. `max_margin` is TopK-MarginPos: positive - max_margin.
    """
    limits = [math.inf]
    if max_percent is not None:
        limits.append(positive - (1 - max_percent) * abs(positive))
    if max_margin is not None:
        limits.append(positive - max_margin)
    return min(limits)


def cut(
    positive: float | None, scores: Sequence[float | None], *, max_percent: float | None, max_margin: float | None
) -> list[tuple[Verdict, str | None]]:
    """Verdict and reason for each candidate's score, by the score that the same scorer gave the positive.

    Over the threshold: `drop` (`above_cut`). At or over the positive itself: `promote` (`above_positive`), which is no
    negative either. Without a positive's score nothing can be told: `drop` (`positive_unscored`); without its own: `unscored`.
    """
    if max_percent is None and max_margin is None:
        return [("keep", None)] * len(scores)
    if positive is None or math.isnan(positive):
        return [("drop", "positive_unscored")] * len(scores)
    limit = threshold(positive, max_percent=max_percent, max_margin=max_margin)
    verdicts: list[tuple[Verdict, str | None]] = []
    for score in scores:
        if score is None or math.isnan(score):
            verdicts.append(("drop", "unscored"))
        elif score <= limit:
            verdicts.append(("keep", None))
        elif score >= positive:
            verdicts.append(("promote", "above_positive"))
        else:
            verdicts.append(("drop", "above_cut"))
    return verdicts
