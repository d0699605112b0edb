"""What was meant by a wrong name."""

from hypothesis import given
from hypothesis import strategies as st

from hnhub.text.names import meant

KNOWN = ["negatives", "queries", "queries_from", "max_percent", "bm25"]


def test_a_near_name_is_offered() -> None:
    assert meant("negative", KNOWN) == "did you mean 'negatives'?"
    assert meant("Max-Percent", KNOWN) == "did you mean 'max_percent'?"
    assert meant("zzz", ["b", "a"]) == "known are a, b"
    assert meant("x", []) == "known are none"


@given(st.text(), st.lists(st.text()))
def test_any_text_gets_one_line(name: str, known: list[str]) -> None:
    assert meant(name, known)
