"""PyLate's distillation: `query_id`, `document_ids`, `scores`, and the two tables of texts."""

from collections.abc import Iterator

from hnhub.layouts.group import Group, Options
from hnhub.layouts.lines import json_line

__all__ = ["documents", "queries", "rows"]


def rows(group: Group, _: Options) -> Iterator[str]:
    """One row a query: positives first."""
    yield json_line(
        {
            "query_id": group.query_id,
            "document_ids": [passage.document_id for passage in group.passages],
            "scores": [passage.score for passage in group.passages],
        }
    )


def queries(group: Group, _: Options) -> Iterator[str]:
    """One row a query."""
    yield json_line({"query_id": group.query_id, "text": group.query})


def documents(group: Group, _: Options) -> Iterator[str]:
    """One row for each document that is used, in the order of first use."""
    yield from (json_line({"document_id": one.document_id, "text": one.text}) for one in group.new())
