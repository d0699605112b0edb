"""The filters of written queries, one by one."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.llm.prompts import find_prompt
from hnhub.queries.filter import fault, held_out_reasons, longest, repeat_reasons
from hnhub.queries.held_out import HeldOut

PASSAGE = "Zinc deficiency slows the growth of children, and supplements bring it back within a year of treatment."


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "empty"),
        ("?!", "empty"),
        ("x" * 200, "too_long"),
        ("how do swifts sleep in the air", "prompt_example"),
        ("Zinc deficiency slows the growth of children", "copied"),
        ("zinc deficiency", None),
        ("does a lack of zinc make children smaller", None),
    ],
)
def test_fault(query: str, reason: str | None) -> None:
    examples = ['{"query": "how do swifts sleep in the air"}']
    assert fault(query, PASSAGE, longest=199, examples=examples) == reason


def test_a_query_that_fills_the_schema_was_cut_off() -> None:
    assert longest(find_prompt("query")) == 199


def test_reasons_name_the_other_query() -> None:
    held_out = HeldOut("test", ("t0", "t1"), ("what is zinc for", "how old are swifts"), pl.DataFrame())
    found = held_out_reasons(["What is zinc for?", "how old are swift", "why"], held_out)
    assert found == [("equals_test", "t0"), ("near_test", "t1"), None]
    found = repeat_reasons(
        ["a", "b", "c", "d"], ["what is zinc for", "What is Zinc for?", "what is zinc for then", "x"]
    )
    assert found == [None, ("duplicate", "a"), ("near_duplicate", "a"), None]


@given(st.text(max_size=300), st.text(max_size=100))
def test_a_kept_query_is_neither_empty_nor_long(query: str, passage: str) -> None:
    if fault(query, passage, longest=50, examples=[]) is None:
        assert query.strip()
        assert len(query) <= 50
