"""The positive-aware cut and its formula."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.negatives.cut import cut, cut_by_level, threshold

scores = st.floats(-100, 100)


@pytest.mark.parametrize(
    ("positive", "percent", "margin", "limit"),
    [
        (10.0, 0.95, None, 9.5),  # TopK-PercPos as in the paper
        (-10.0, 0.95, None, -10.5),  # percent * positive would be -9.5, over the positive
        (0.0, 0.95, None, 0.0),
        (10.0, None, 3.0, 7.0),
        (-10.0, None, 3.0, -13.0),
        (10.0, 0.95, 3.0, 7.0),
        (10.0, None, None, math.inf),
    ],
)
def test_threshold(positive: float, percent: float | None, margin: float | None, limit: float) -> None:
    assert threshold(positive, max_percent=percent, max_margin=margin) == pytest.approx(limit)


@given(scores, st.floats(0, 1), st.floats(0, 10))
def test_no_negative_may_score_over_the_positive(positive: float, percent: float, margin: float) -> None:
    assert threshold(positive, max_percent=percent, max_margin=None) <= positive
    assert threshold(positive, max_percent=None, max_margin=margin) <= positive


@given(scores, st.lists(scores | st.none()), st.floats(0, 1))
def test_kept_are_those_at_or_below_the_threshold(positive: float, found: list[float | None], percent: float) -> None:
    limit = threshold(positive, max_percent=percent, max_margin=None)
    for score, (verdict, reason) in zip(found, cut(positive, found, max_percent=percent, max_margin=None), strict=True):
        assert (verdict == "keep") == (score is not None and score <= limit) == (reason is None)


def test_verdicts() -> None:
    found = cut(10, [12, 10, 9.8, 9.5, -3, None, math.nan], max_percent=0.95, max_margin=None)
    assert found == [
        ("promote", "above_positive"),
        ("promote", "above_positive"),
        ("drop", "above_cut"),
        ("keep", None),
        ("keep", None),
        ("drop", "unscored"),
        ("drop", "unscored"),
    ]
    for missing in (None, math.nan):
        assert cut(missing, [1.0], max_percent=0.95, max_margin=None) == [("drop", "positive_unscored")]
    assert cut(None, [99.0, None], max_percent=None, max_margin=None) == [("keep", None)] * 2


def test_what_was_written_to_answer_is_no_negative() -> None:
    assert cut_by_level([3.0, 2.0, 1.0, 0.0]) == [
        ("promote", "written_positive"),
        ("drop", "written_relevant"),
        ("keep", None),
        ("keep", None),
    ]
