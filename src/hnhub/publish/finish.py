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
from hnhub.publish.settle import changed
from hnhub.records import Recipe
from hnhub.stages import describe_file, read_record, write_atomically, written_atomically

__all__ = ["ANSWERS", "EXPORTS", "PAGE", "finish", "rewrite_card", "write_card"]

PAGE = "page.html"
"""The page of `hnhub view` in a dataset's folder."""

EXPORTS = "exports/"
"""Where rows in other projects' layouts lie (`hnhub.api.along`)."""

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
    """Write the card of a finished dataset again, from changed facts, and what changed into its manifest, all at once.

    `added` are further files: their content, or where they lie. Exports that the facts name no more are deleted.
    """
    read_record(folder / "manifest.json")  # before anything is rendered: it says what is wrong with one
    with changed(folder) as new:
        write_card(new, facts)
        for name, data in (added or {}).items():
            if isinstance(data, bytes):
                write_atomically(new / name, data)
            else:
                with data.open("rb") as source, written_atomically(new / name) as file:
                    shutil.copyfileobj(source, file)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        named = {name for one in facts.get("exports", ()) for name in one["files"]}
        kept = {
            name: entry for name, entry in manifest["files"].items() if not name.startswith(EXPORTS) or name in named
        }
        written = sorted(path for path in new.rglob("*") if path.is_file())
        manifest["files"] = kept | {path.relative_to(new).as_posix(): describe_file(path) for path in written}
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        write_atomically(new / "manifest.json", text + "\n")
