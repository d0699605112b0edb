"""Marks: read, checked, written; what a build makes of them; what they tell of the rest."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.errors import InputError
from hnhub.marks import WORDS, Mark, Marks, parse_marks, read_marks, wilson, write_marks

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def some_marks(draw: st.DrawFn) -> Mark:
    about = draw(st.sampled_from(sorted(WORDS)))
    written = about == "negative" and draw(st.booleans())
    return Mark(
        draw(TEXT), about, None if about == "query" or written else draw(TEXT), draw(TEXT) if written else None,
        draw(st.sampled_from([*WORDS[about], None])), draw(st.none() | TEXT), tuple(draw(st.lists(TEXT, max_size=2))),
    )  # fmt: skip


@given(st.lists(some_marks(), max_size=8, unique_by=lambda one: one.key))
def test_what_is_written_is_what_is_read(marks: list[Mark]) -> None:
    found = Marks("c", "f", tuple(marks), {"size": 5, "seed": 1})
    again = parse_marks(json.dumps(found.as_dict()))
    assert again == found
    assert Marks("c", "f", tuple(reversed(marks)), found.sample).sha256 == found.sha256


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (5, "is no object"),
        ({"query_id": "q"}, "query_id or about"),
        ({"query_id": "q", "about": "row"}, "about is 'row'"),
        ({"query_id": "q", "about": "query", "mark": "good"}, "a query is marked 'good', not one of bad_query"),
        ({"query_id": "q", "about": "negative", "mark": "good"}, "has document_id None and text None"),
        ({"query_id": "q", "about": "negative", "document_id": "d", "text": "t"}, "has document_id 'd' and text 't'"),
        ({"query_id": "q", "about": "positive"}, "has document_id None"),
        ({"query_id": "q", "about": "query", "note": 5}, "note is no text"),
        ({"query_id": "q", "about": "query", "sampled": "bm25"}, "sampled is no list"),
    ],
)
def test_a_mark_that_is_none_is_named(row: object, told: str, tmp_path: Path) -> None:
    file = {"hnhub_marks": 1, "corpus": "c", "dataset": "f", "marks": [row]}
    (tmp_path / "marks.json").write_text(json.dumps(file))
    with pytest.raises(InputError, match="mark 0: ") as error:
        read_marks(tmp_path / "marks.json")
    assert told in str(error.value)
    assert str(error.value).endswith("save the marks again on the page of `hnhub view`")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"hnhub_marks": 1}', '{"hnhub_marks": 1, "corpus": "c", "dataset": "f"}', "\x00"]
)
def test_a_file_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "marks.json").write_text(text)
    with pytest.raises(InputError, match=r"marks\.json: "):
        read_marks(tmp_path / "marks.json")
    with pytest.raises(InputError):
        read_marks(tmp_path / "none.json")


def test_the_last_mark_of_a_thing_counts(tmp_path: Path) -> None:
    good, bad = (Mark("q", "negative", "d", None, word) for word in ("good", "false_negative"))
    write_marks(tmp_path / "marks.json", Marks("c", "f", (good, bad)))
    assert read_marks(tmp_path / "marks.json").marks == (bad,)


def test_each_stage_depends_on_its_own_marks() -> None:
    none = Marks("c", "f", (Mark("q", "negative", "d", None, "good"), Mark("q", "query", note="odd")))
    assert none.sha256_of("bad_queries", "bad_positives") is none.sha256_of("negatives") is None
    false = Marks("c", "f", (Mark("q", "negative", "d", None, "false_negative"),))
    assert false.sha256_of("bad_queries", "bad_positives") is None
    assert false.sha256_of("negatives") != Marks("c", "f", (Mark("q", "negative", "d", None, "positive"),)).sha256_of(
        "negatives"
    )
    assert Marks("c", "f", (Mark("q", "query", mark="bad_query"),)).sha256_of("bad_queries", "bad_positives")


def test_the_share_is_of_the_sample_alone() -> None:
    sampled = [
        Mark("q", "negative", f"d{n}", None, "false_negative" if n < 3 else "good", sampled=("bm25",))
        for n in range(50)
    ]
    others = [Mark("p", "negative", f"d{n}", None, "false_negative") for n in range(10)]
    facts = Marks("c", "f", (*sampled, *others, Mark("q", "query", note="a note alone"))).facts()
    assert (facts["read"], facts["negatives"], facts["false"], facts["share"]) == (60, 60, 13, 0.2167)
    # Wilson 1927, checked with statsmodels.stats.proportion.proportion_confint(3, 50, method="wilson")
    assert facts["methods"] == [
        {"method": "bm25", "read": 50, "false": 3, "share": 0.06, "low": 0.0206, "high": 0.1622}
    ]


@given(st.integers(1, 500), st.data())
def test_an_interval_holds_its_share(of: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, of))
    low, high = wilson(hits, of)
    assert 0 <= low <= round(hits / of, 4) <= high <= 1
    assert wilson(of - hits, of) == pytest.approx((1 - high, 1 - low), abs=2e-4)
