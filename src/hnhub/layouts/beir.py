"""A BEIR folder: `corpus.jsonl`, `queries.jsonl`, `qrels/<split>.tsv`; and the negatives, for which BEIR has no file."""

from collections.abc import Iterator

from hnhub.layouts.group import Group, Options
from hnhub.layouts.lines import json_line, tsv_line

__all__ = ["HEAD", "corpus", "negatives", "qrels", "queries"]

HEAD = tsv_line("query-id", "corpus-id", "score")


def corpus(group: Group, _: Options) -> Iterator[str]:
    """The documents that are used. Title and text are one already, as BEIR joins them."""
    yield from (json_line({"_id": one.document_id, "title": "", "text": one.text}) for one in group.new())


def queries(group: Group, _: Options) -> Iterator[str]:
    """One line a query."""
    yield json_line({"_id": group.query_id, "text": group.query})


def qrels(group: Group, _: Options) -> Iterator[str]:
    """One line a positive. Mined negatives are no judgements, so they have none."""
    yield from (tsv_line(group.query_id, one.document_id, "1") for one in group.positives)


def negatives(group: Group, options: Options) -> Iterator[str]:
    """One line a query: ids as in sentence-transformers' own `msmarco-hard-negatives`."""
    row: dict[str, object] = {"qid": group.query_id, "pos": [one.document_id for one in group.positives]}
    row["neg"] = [one.document_id for one in group.negatives]
    if options.scores:
        row["pos_scores"] = [one.score for one in group.positives]
        row["neg_scores"] = [one.score for one in group.negatives]
    yield json_line(row)
