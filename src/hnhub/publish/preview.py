"""The card of a dataset that nobody has built yet: its source, its licence and how it would be made, without a row."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from hnhub.corpus.catalog import CorpusSpec
from hnhub.publish.card import config_schema, render_card
from hnhub.publish.facts import gather
from hnhub.publish.licences import may_publish_text
from hnhub.records import Recipe
from hnhub.rows.parquet import ShardWriter

__all__ = ["preview_card"]


def preview_card(
    spec: CorpusSpec, *, version: str, recipe: Recipe, prompts: Mapping[str, str], repo: str | None = None
) -> str:
    """README.md as a build by this recipe would write it, all figures 0; `prompts` are texts by task."""
    texts = may_publish_text(spec, None)
    names = [name for method in recipe.methods for name in (*([method] if texts else []), f"{method}-scored")]
    with tempfile.TemporaryDirectory(prefix="hnhub-") as place:
        folder = Path(place)
        for name in ("queries", *names):
            columns = config_schema(name, recipe.negatives)
            with ShardWriter(folder / "data" / name, "train", columns) as writer:
                writer.write(pl.DataFrame(schema=columns))
        facts = gather(
            folder,
            spec=spec,
            version=version,
            stage_facts={"corpus": {"revision": spec.revision}},
            recipe=replace(recipe, judge=None),  # who judged is measured, not decided
            prompts=prompts,
            repo=repo,
        )
    return render_card({**facts, "preview": True})
