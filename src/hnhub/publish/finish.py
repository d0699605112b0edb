"""What turns rows into a dataset that can be published: stats.json, plots, card and Croissant file."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hnhub.corpus.catalog import CorpusSpec
from hnhub.publish.card import render_card
from hnhub.publish.croissant import render_croissant
from hnhub.publish.facts import gather
from hnhub.publish.origin import origin_facts
from hnhub.publish.plots import draw_plots
from hnhub.records import Recipe
from hnhub.stages import describe_file, write_atomically, written_atomically

__all__ = ["ANSWERS", "PAGE", "finish", "rewrite_card", "write_card"]

PAGE = "page.html"
"""The page of `hnhub view` in a dataset's folder."""

ANSWERS = "answers.parquet"
"""What language models answered while it was built."""


def finish(
    out: Path,
    *,
    spec: CorpusSpec | None,
    version: str,
    stage_facts: Mapping[str, Mapping[str, Any]],
    recipe: Recipe,
    prompts: Mapping[str, str],
    rights_statement: str | None = None,
    repo: str | None = None,
    review: Mapping[str, Any] | None = None,
    built: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure the rows in `out` and write everything beside them; returns the facts for the manifest.

    `stage_facts` maps a stage's name to the facts it recorded, `prompts` a task to its prompt's text, `review` is what a person's
    marks tell (`hnhub.marks.Marks.facts`), `built` what the pipeline knows of the build (`hnhub.publish.origin.made_with`): without
    it the manifest does not say how to build the dataset again.
    """
    facts = gather(
        out,
        spec=spec,
        version=version,
        stage_facts=stage_facts,
        recipe=recipe,
        prompts=prompts,
        rights_statement=rights_statement,
        repo=repo,
        review=review,
    )
    write_card(out, facts)
    known = {"corpus": recipe.corpus, "version": version, "recipe": facts["recipe"]}
    if built is None:
        return known
    told = origin_facts(built, recipe=recipe, stage_facts=stage_facts, prompts=prompts, rights=rights_statement)
    return {**known, "built": told}


def write_card(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write stats.json (the facts), README.md and croissant.json, which are rendered from it, and the plots."""
    write_atomically(folder / "stats.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    write_atomically(folder / "README.md", render_card(facts))
    write_atomically(folder / "croissant.json", render_croissant(facts))
    if facts["publishes_text"]:
        draw_plots(folder, facts["stats"])


def rewrite_card(folder: Path, facts: Mapping[str, Any], *, added: Mapping[str, bytes | Path] | None = None) -> None:
    """Write the card of a finished dataset again, from changed facts, and what changed into its manifest.

    `added` are further files: their content, or where they lie.
    """
    write_card(folder, facts)
    for name, data in (added or {}).items():
        if isinstance(data, bytes):
            write_atomically(folder / name, data)
        else:
            with data.open("rb") as source, written_atomically(folder / name) as file:
                shutil.copyfileobj(source, file)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    known = manifest["files"]
    changed = [*(name for name in known if not name.startswith(("data/", "ledger/"))), *(added or {})]
    manifest["files"] = known | {name: describe_file(folder / name) for name in changed}
    write_atomically(path, json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
