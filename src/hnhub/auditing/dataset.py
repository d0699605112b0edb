"""The checks of a dataset's queries: near-copies across splits, and how various they are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from hnhub.auditing.findings import Finding, percent
from hnhub.auditing.nearness import Nearness
from hnhub.rows.stats import words_of
from hnhub.text.similarity import NEAR, best_near, repeats

__all__ = ["across_splits", "diversity"]

_SAME = 0.95
_REPEATED = 0.05
_OPENING = 0.3
_SAMPLE = 4000


def across_splits(queries: Mapping[str, Sequence[str]]) -> Finding:
    """Queries of one split that equal or nearly equal one of another."""
    source = f"Jaccard similarity of 5-grams from {NEAR} on (hnhub.text.similarity); none is the threshold."
    pairs = list(combinations(queries, 2))
    if not pairs:
        return Finding(
            "splits",
            fine=True,
            says="There is one split; near-copies of held-out queries were dropped when it was built.",
            source=source,
        )
    counts = {f"{a}, {b}": sum(near is not None for near in best_near(queries[a], queries[b])) for a, b in pairs}
    total = sum(counts.values())
    says = (
        "No query is nearly a query of another split."
        if not total
        else f"{total:,} queries are nearly queries of another split ({', '.join(f'{names}: {count:,}' for names, count in counts.items() if count)})."
    )
    return Finding("splits", not total, says, source, counts)


def diversity(queries: Mapping[str, Sequence[str]], near: Nearness) -> Finding:
    """How many queries say again what another says, how many begin alike, how many words they have."""
    texts = [query for split in queries.values() for query in split]
    texts = texts[:: max(1, -(-len(texts) // _SAMPLE))]
    if not texts:
        return Finding("diversity", None, "Not measured: no query's text is published.", "", {})
    words = [words_of(text) for text in texts]
    openings = Counter(" ".join(text.lower().split()[:2]) for text in texts)
    (opening, count), *_ = openings.most_common(1)
    repeated = _repeated(texts, near)
    share, alike = repeated / len(texts), count / len(texts)
    fine = share <= _REPEATED and alike <= _OPENING
    distinct, total = len(set().union(*words)), sum(map(len, words))
    how = f"cosine from {_SAME} on (SemDeDup, arXiv 2303.09540)" if near.name == "cosine" else f"5-grams from {NEAR} on"
    says = (
        f"{percent(share)} of {len(texts):,} queries say what another says, {percent(alike)} begin with {opening!r}; "
        f"{distinct:,} distinct words, {distinct / max(1, total):.2f} of all."
    )
    figures = {
        "queries": len(texts),
        "repeated": repeated,
        "opening": opening,
        "opening_share": round(alike, 4),
        "distinct_words": distinct,
        "words": total,
    }
    return Finding(
        "diversity",
        fine,
        says,
        f"Repeated: {how}, 5 % at most; one opening 30 % at most (hnhub's thresholds).",
        figures,
    )


def _repeated(texts: Sequence[str], near: Nearness) -> int:
    """Queries that repeat one before them."""
    vectors = near.vectors(texts)
    if vectors is None:
        return sum(one is not None for one in repeats(texts))
    count = 0
    for at in range(0, len(texts), 512):
        block = vectors[at : at + 512] @ vectors.T
        before = np.arange(len(texts))[None, :] < np.arange(at, at + len(block))[:, None]
        count += int(((block >= _SAME) & before).any(axis=1).sum())
    return count
