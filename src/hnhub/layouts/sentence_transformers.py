"""sentence-transformers: the outputs of its `mine_hard_negatives`. Losses go by the columns' order, and by `label` and `score`."""

from collections.abc import Iterator

from hnhub.layouts.group import Group, Options
from hnhub.layouts.lines import json_line

__all__ = ["labeled_list", "labeled_pair", "n_tuple"]


def labeled_list(group: Group, options: Options) -> Iterator[str]:
    """One row a query: its passages and their labels (1 is a positive), or their scores."""
    labels = [*(1 for _ in group.positives), *(0 for _ in group.negatives)]
    row: dict[str, object] = {"query": group.query, "documents": [passage.text for passage in group.passages]}
    if options.scores:
        row["scores"] = [passage.score for passage in group.passages]
    else:
        row["labels"] = labels
    yield json_line(row)


def labeled_pair(group: Group, options: Options) -> Iterator[str]:
    """One row a passage: query, passage, and its label or its score."""
    for label, side in ((1, group.positives), (0, group.negatives)):
        for one in side:
            value = {"score": one.score} if options.scores else {"label": label}
            yield json_line({"query": group.query, "document": one.text, **value})


def n_tuple(group: Group, options: Options) -> Iterator[str]:
    """One row a positive: query, positive, negative_1 to negative_n; with scores a list of n + 1 as `score`."""
    negatives = {f"negative_{number}": one.text for number, one in enumerate(group.negatives, 1)}
    for positive in group.positives:
        row: dict[str, object] = {"query": group.query, "positive": positive.text, **negatives}
        if options.scores:
            row["score"] = [positive.score, *(one.score for one in group.negatives)]
        yield json_line(row)
