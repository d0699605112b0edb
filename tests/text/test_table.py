"""Small tables."""

from hnhub.text.table import html_table, text_table


def test_figures_stand_to_the_right() -> None:
    rows = [("name", "count", "share"), ("a", "1,200", "5%"), ("bcdef", "7", "")]
    assert text_table(rows) == "name   count  share\na      1,200     5%\nbcdef      7"
    assert text_table([]) == ""


def test_html_is_escaped() -> None:
    assert html_table([("<a>",), ("&",)], "x<y") == (
        "<table><caption>x&lt;y</caption><tr><th>&lt;a&gt;</th></tr><tr><td>&amp;</td></tr></table>"
    )
