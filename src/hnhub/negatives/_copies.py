"""When a generated text says again what it was made from."""

from collections.abc import Sequence

import numpy as np

from hnhub.text.similarity import NEAR, containment, normalise, shingles, similarity

__all__ = ["generated_fault", "is_copy"]

_CONTAINED = 0.9
_LONG = 30


def is_copy(text: str, source: str) -> bool:
    """True if `text` is nearly the same as `source`, is taken out of it, or repeats it and goes on.

    One is looked for in the best window of the other, as `containment` has it. The last takes a source of 30 5-grams: a keyword query stands in every passage on its topic.
    """
    a, b = shingles(text), shingles(source)
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return (
        shared >= NEAR * (len(a) + len(b) - shared)
        or (shared >= _CONTAINED * len(a) and containment(text, source) >= _CONTAINED)
        or (len(b) >= _LONG and shared >= _CONTAINED * len(b) and containment(source, text) >= _CONTAINED)
    )


def generated_fault(text: str, *, query: str, positive: str, earlier: Sequence[str]) -> str | None:
    """Why a generated text can't be a negative, or None.

    `empty`, `copies_positive`, `copies_query`, or `duplicate` or `near_duplicate` of one of the `earlier` texts for this query.
    """
    key = normalise(text)
    if not key:
        return "empty"
    if is_copy(text, positive):
        return "copies_positive"
    if is_copy(text, query):
        return "copies_query"
    if any(key == normalise(other) for other in earlier):
        return "duplicate"
    if any(similarity(text, other) >= NEAR for other in earlier):
        return "near_duplicate"
    return None
