"""FlagEmbedding: `query`, `pos`, `neg`, and for distillation `pos_scores`, `neg_scores`; `prompt` is a row's own instruction."""

from collections.abc import Iterator

from hnhub.layouts.group import Group, Options
from hnhub.layouts.lines import json_line

__all__ = ["rows"]


def rows(group: Group, options: Options) -> Iterator[str]:
    """One row a query."""
    row: dict[str, object] = {
        "query": group.query,
        "pos": [passage.text for passage in group.positives],
        "neg": [passage.text for passage in group.negatives],
    }
    if options.scores:
        row["pos_scores"] = [passage.score for passage in group.positives]
        row["neg_scores"] = [passage.score for passage in group.negatives]
    if options.prompt is not None:
        row["prompt"] = options.prompt
    yield json_line(row)
