"""ColBERT: triples of numbers, with scores where asked for, and `queries.tsv` and `collection.tsv` that the numbers point into."""

from collections.abc import Iterator

from hnhub.layouts.group import Group, Options
from hnhub.layouts.lines import json_line, tsv_line

__all__ = ["collection", "examples", "queries"]


def examples(group: Group, options: Options) -> Iterator[str]:
    """One example a positive: the query's number, the positive, the negatives; each a number, or a pair of number and score."""
    negatives = [[one.number, one.score] if options.scores else one.number for one in group.negatives]
    for positive in group.positives:
        first = [positive.number, positive.score] if options.scores else positive.number
        yield json_line([group.number, first, *negatives])


def queries(group: Group, _: Options) -> Iterator[str]:
    """Number and text."""
    yield tsv_line(str(group.number), group.query)


def collection(group: Group, _: Options) -> Iterator[str]:
    """Number and text; a passage's number is its line's, from 0."""
    yield from (tsv_line(str(one.number), one.text) for one in group.new())
