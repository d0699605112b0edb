"""A dataset card, rendered again from its facts: of a dataset's folder, or one of those that a repository keeps by corpus."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hnhub.corpus.catalog import find
from hnhub.errors import InputError, RuleBroken, UsageError
from hnhub.pipeline.decisions import find_decision
from hnhub.pipeline.tasks import prompt_tasks
from hnhub.publish.card import render_card
from hnhub.publish.finish import rewrite_card
from hnhub.publish.preview import preview_card as render_preview
from hnhub.publish.push_plan import dataset_folder
from hnhub.rows.facts import read_facts
from hnhub.stages import write_atomically

__all__ = ["CARDS", "check_card", "preview_card", "write_card"]

CARDS = Path("dataset_cards")
"""Below the current folder: facts and card of each corpus, `<corpus>.json` and `<corpus>.md`."""


@dataclass(frozen=True)
class _Card:
    """Where facts and card lie, and the facts as they are to be printed."""

    folder: Path | None
    facts_path: Path
    path: Path
    facts: dict[str, Any]


def write_card(
    dataset: str | os.PathLike[str],
    *,
    repo: str | None = None,
    results: str | os.PathLike[str] | None = None,
    doi: str | None = None,
    save: bool = False,
) -> Path:
    """Render a card from measured facts; returns where it lies.

    `dataset` is a run's or a dataset's folder (its README.md, croissant.json and plots are written from stats.json), or the
    name of a corpus in `CARDS`. Of a folder: `repo` names the repository in the snippets, `doi` is the one that the Hub gave it, `results` is a results.json of
    `compare` whose training results are put in, and with `save` facts and card are kept in `CARDS` too. Raises InputError if
    the facts can't be read or lack something, UsageError for options of a folder that is none.
    """
    if doi is not None and not re.fullmatch(r"10\.\d{4,9}/\S+", doi):
        raise UsageError(f"{doi!r} is no DOI", do="give it as 10.57967/hf/1234")
    card = _find(dataset, repo, results, doi, save=save)
    text = _rendered(card)
    if card.folder:
        rewrite_card(card.folder, card.facts)
    else:
        write_atomically(card.path, text)
    if save:
        name = card.facts["corpus"]["name"]
        write_atomically(CARDS / f"{name}.json", card.facts_path.read_bytes())
        write_atomically(CARDS / f"{name}.md", text)
    return card.path


def check_card(
    dataset: str | os.PathLike[str],
    *,
    repo: str | None = None,
    results: str | os.PathLike[str] | None = None,
    doi: str | None = None,
) -> str:
    """What was compared, in words, if the card is what its facts give; nothing is changed. Raises RuleBroken if it is not."""
    card = _find(dataset, repo, results, doi, save=False)
    if not card.path.is_file() or card.path.read_text(encoding="utf-8") != _rendered(card):
        raise RuleBroken(f"{card.path}: is not what {card.facts_path} gives", do=f"run hnhub card {os.fspath(dataset)}")
    return f"{card.path}: as its facts say"


def preview_card(corpus: str, *, repo: str | None = None) -> str:
    """The card that a dataset of this corpus of the catalog would have, by its builder's recipe; nothing is read or written.

    Raises InputError for a corpus that the catalog does not know.
    """
    from hnhub.llm.prompts import find_prompt

    spec = find(corpus)
    decision = find_decision(corpus)
    texts = {}
    for task in prompt_tasks(decision.recipe):
        name, _, style = task.partition(".")
        texts[task] = find_prompt(name, style or spec.family, decision.prompts.get(task)).text
    return render_preview(spec, version=decision.version, recipe=decision.recipe, prompts=texts, repo=repo)


def _find(
    dataset: str | os.PathLike[str],
    repo: str | None,
    results: str | os.PathLike[str] | None,
    doi: str | None,
    *,
    save: bool,
) -> _Card:
    folder = dataset_folder(Path(dataset)) if Path(dataset).is_dir() else None
    if folder is None and (repo or results or doi or save):
        raise UsageError("--repo, --results, --doi and --save are of a dataset's folder", do="give its path")
    facts_path = folder / "stats.json" if folder else CARDS / f"{os.fspath(dataset)}.json"
    facts = read_facts(folder) if folder else _json(facts_path)
    facts |= ({"repo": repo} if repo else {}) | ({"training": _json(Path(results))["training"]} if results else {})
    facts |= {"doi": doi} if doi else {}
    return _Card(folder, facts_path, folder / "README.md" if folder else facts_path.with_suffix(".md"), facts)


def _rendered(card: _Card) -> str:
    try:
        return render_card(card.facts)
    except InputError as error:
        raise InputError(f"{card.facts_path}: {error.what}", do=error.do) from error


def _json(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: can't be read as JSON ({error})", do="give a finished dataset or a corpus with a card"
        ) from error
    if not isinstance(facts, dict):
        raise InputError(f"{path}: is no JSON object", do="build the dataset again")
    return facts
