"""Tevatron: a query with its passages, each with `docid`, `title` and `text`."""

from collections.abc import Iterator

from hnhub.layouts.group import Group, Options, Passage
from hnhub.layouts.lines import json_line

__all__ = ["rows"]


def rows(group: Group, options: Options) -> Iterator[str]:
    """One row a query. No `title`: Tevatron joins it to the text by a space, and `text` has it already."""

    def passage(one: Passage) -> dict[str, object]:
        score = {"score": one.score} if options.scores else {}
        return {"docid": one.document_id, "text": one.text, **score}

    yield json_line(
        {
            "query_id": group.query_id,
            "query": group.query,
            "positive_passages": [passage(one) for one in group.positives],
            "negative_passages": [passage(one) for one in group.negatives],
        }
    )
