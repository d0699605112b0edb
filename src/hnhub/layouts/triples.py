"""Plain triples: query, positive and negative, with tabs between."""

from collections.abc import Iterator

from hnhub.layouts.group import Group, Options
from hnhub.layouts.lines import tsv_line

__all__ = ["triples"]


def triples(group: Group, _: Options) -> Iterator[str]:
    """One line for each positive with each negative."""
    for positive in group.positives:
        yield from (tsv_line(group.query, positive.text, negative.text) for negative in group.negatives)
