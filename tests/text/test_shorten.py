"""Cut texts are never much shorter than they may be, whatever the script."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.text.shorten import KEPT, shorten

SCRIPTS = {
    "english": "The method that is passed to the server. ",
    "german": "Donaudampfschifffahrtsgesellschaftskapitänsmütze und Überziehungsprovision. ",
    "arabic": "اللُّغَةُ العَرَبِيَّةُ جميلة. ",
    "thai": "ภาษาไทยเป็นภาษาที่มีระดับเสียงของคำแน่นอน",
    "japanese": "東京は日本の首都であり、世界最大の都市圏を有する。",
    "chinese": "标题是这样的没有空格的文字",
    "korean": "한국어는 한국에서 쓰는 언어이다. ",
    "number": "3.14159265358979",
    "family": "👩\u200d👩\u200d👧",
}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("limit", [1, 2, 9, 10, 50, 2000])
def test_every_script_keeps_nine_tenths(script: str, limit: int) -> None:
    text = "Title " + SCRIPTS[script] * 2000
    cut = shorten(text, limit)
    assert text.startswith(cut)
    assert KEPT * limit <= len(cut) <= limit


def test_a_title_before_a_text_without_spaces_is_not_all_that_is_left() -> None:
    assert len(shorten("標題 " + "字" * 6000, 2000)) == 2000


def test_words_stay_whole_where_there_are_words() -> None:
    assert shorten("one two three four five six", 20) == "one two three four"
    assert shorten("one two", 7) == "one two"
    assert shorten("one two three", 7) == "one two"


def test_a_mark_stays_with_its_letter() -> None:
    cut = shorten("กำ" * 5 + "ก\u0e34\u0e48" * 40, 100)
    assert unicodedata.category("ก\u0e34\u0e48"[1]) == "Mn"
    assert cut.endswith("ก\u0e34\u0e48")


def test_nothing_is_left_of_a_long_blank_text() -> None:
    assert shorten("\n\t\u3000" * 4000, 100) == ""
    assert shorten("", 100) == ""


pieces = st.sampled_from([" ", "   ", "\n", "a", "word", "字", "ก\u0e34", "\u0301", "\u200d", "é", "x" * 40, "\ud83d"])


@given(st.one_of(st.text(max_size=200), st.lists(pieces, max_size=80).map("".join)), st.integers(1, 120))
def test_never_less_than_nine_tenths(text: str, limit: int) -> None:
    cut = shorten(text, limit)
    assert text.startswith(cut)
    assert len(cut) <= limit
    if len(text) <= limit:
        assert cut == text
    elif not text.strip():
        assert cut == ""
    else:
        assert len(cut) >= KEPT * limit
