"""Sampling: windows, seeds, and that a query's luck is its own."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.negatives.sample import draw_order, in_window

SCORES = [10.0 - i / 10 for i in range(50)]


def draw(sampling: str, query_id: str = "q", seed: int = 0, count: int = 5, **changes: object) -> list[int]:
    values = {"scores": SCORES, "usable": [True] * 50, "method": "bm25", **changes}
    return sorted(draw_order(sampling=sampling, query_id=query_id, seed=seed, **values)[:count])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rank", "generated", "inside"),
    [(4, False, False), (5, False, True), (9, False, True), (10, False, False), (None, False, False), (1, True, True)],
)
def test_window(rank: int | None, generated: bool, inside: bool) -> None:
    assert in_window(rank, generated, rank_min=5, rank_max=9) is inside


def test_no_upper_end() -> None:
    assert in_window(10**6, generated=False, rank_min=1, rank_max=None)


def test_top_takes_the_first_usable() -> None:
    assert draw("top") == [0, 1, 2, 3, 4]
    assert draw("top", usable=[i % 2 == 1 for i in range(50)]) == [1, 3, 5, 7, 9]


@given(
    st.lists(st.booleans(), max_size=40),
    st.integers(0, 8),
    st.sampled_from(["top", "random", "weighted", "stratified"]),
    st.booleans(),
)
def test_only_usable_ones_in_order_and_never_too_many(
    usable: list[bool], count: int, sampling: str, scored: bool
) -> None:
    scores: list[float | None] = [float(-i) if scored else None for i in range(len(usable))]
    found = draw(sampling, scores=scores, usable=usable, count=count)
    assert found == sorted(set(found))
    assert all(usable[i] for i in found)
    assert len(found) == min(count, sum(usable))


@pytest.mark.parametrize("sampling", ["random", "weighted", "stratified"])
def test_seeded_by_query_method_and_seed(sampling: str) -> None:
    assert draw(sampling) == draw(sampling)
    others = [draw(sampling, query_id="r"), draw(sampling, seed=1), draw(sampling, method="dense")]
    assert all(other != draw(sampling) for other in others)


def test_stratified_takes_one_of_each_stratum_of_the_scores() -> None:
    shuffled = [SCORES[i * 7 % 50] for i in range(50)]  # a second scorer's, in the order of the first's ranks
    for query_id in "abcdef":
        for count in (5, 10):
            places = sorted(
                round((10.0 - shuffled[i]) * 10) for i in draw("stratified", query_id, count=count, scores=shuffled)
            )
            assert all(abs(place - (at + 0.5) * 50 / count) <= 50 / count for at, place in enumerate(places))
    assert len({tuple(draw("stratified", query_id)) for query_id in "abcdef"}) > 1
    assert draw("stratified", scores=[None] * 50) == draw("stratified", scores=SCORES)


def test_a_candidates_luck_does_not_depend_on_the_verdicts_on_others() -> None:
    chosen = draw("random")
    lost = next(i for i in range(50) if i not in chosen)
    assert draw("random", usable=[i != lost for i in range(50)]) == chosen


def test_chances() -> None:
    """Over 2,000 queries: random takes each of 50 about equally often (200), weighted the best about ten times as often as the last."""
    even = Counter(i for q in range(2000) for i in draw("random", query_id=str(q)))
    assert 140 < min(even.values()) <= max(even.values()) < 260
    tilted = Counter(i for q in range(2000) for i in draw("weighted", query_id=str(q)))
    assert tilted[0] > 5 * tilted[49]
    flat = Counter(i for q in range(300) for i in draw("weighted", query_id=str(q), scores=[None] * 50))
    assert max(flat.values()) < 3 * min(flat.values())
