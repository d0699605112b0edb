"""`hnhub validate`, `hnhub show` and `hnhub card`: a finished dataset checked, looked at, described."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hnhub.cli.options import as_json
from hnhub.errors import InputError, RuleBroken
from hnhub.records import METHODS

__all__ = ["card", "show", "validate"]

_CARDS = Path("dataset_cards")


@click.command()
@click.argument("dataset", metavar="PATH|REPO")
@as_json
@click.pass_context
def validate(ctx: click.Context, dataset: str, as_json: bool) -> None:
    """Check a dataset folder, or a Hub repository (NAMESPACE/NAME[@REVISION]), rule by rule.

    Every violation is printed with its rule, file and row (from 0). Exit code 1 if there is one.
    """
    from hnhub.publish.pull import opened
    from hnhub.rows.validate import RULES
    from hnhub.rows.validate import validate as violations

    found = []
    with opened(dataset) as folder:
        for violation in violations(folder):
            found.append(violation)
            if not as_json:
                place = violation.path + ("" if violation.row is None else f" row {violation.row}")
                click.echo(f"{violation.rule}: {place}: {violation.message}")
    if as_json:
        rules = [{"id": rule.id, "description": rule.description} for rule in RULES]
        click.echo(
            json.dumps({"rules": rules, "violations": [asdict(one) for one in found]}, indent=1, ensure_ascii=False)
        )
    else:
        click.echo(f"{len(RULES)} rules, {len(found)} violations")
    if found:
        ctx.exit(1)


@click.command()
@click.argument("dataset", metavar="PATH|REPO")
@click.option(
    "--method", type=click.Choice(METHODS), help="Only this method's negatives.  [default: all, side by side]"
)
@click.option("--rows", type=click.IntRange(1), default=3, show_default=True, help="How many queries.")
def show(dataset: str, method: str | None, rows: int) -> None:
    """Look at rows: a query, its positive, and the negatives of every method beside each other."""
    from hnhub.cli.side_by_side import side_by_side
    from hnhub.publish.pull import opened

    with opened(dataset) as folder:
        click.echo(side_by_side(folder, method, rows))


@click.command()
@click.argument("dataset", metavar="CORPUS|PATH")
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if card and facts differ.")
@click.option("--repo", metavar="NS/NAME", help="PATH: name the repository in the card's snippets.")
@click.option(
    "--results", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="PATH: put in training results."
)
@click.option("--save", is_flag=True, help=f"PATH: keep facts and card in {_CARDS}/<corpus>.json and .md too.")
def card(dataset: str, check: bool, repo: str | None, results: Path | None, save: bool) -> None:
    """Render the card from measured facts.

    For a dataset folder: README.md, croissant.json and plots from its stats.json. For a corpus: dataset_cards/<corpus>.md
    from dataset_cards/<corpus>.json, below the current folder.
    """
    from hnhub.publish.card import render_card
    from hnhub.publish.finish import rewrite_card
    from hnhub.stages import write_atomically

    folder = _dataset_folder(dataset)
    facts_path = folder / "stats.json" if folder else _CARDS / f"{dataset}.json"
    card_path = folder / "README.md" if folder else facts_path.with_suffix(".md")
    if folder is None and (repo or results or save):
        raise click.UsageError("--repo, --results and --save need the path of a dataset")
    facts = _json(facts_path)
    facts |= ({"repo": repo} if repo else {}) | ({"training": _json(results)["training"]} if results else {})
    text = render_card(facts)
    if check:
        if not card_path.is_file() or card_path.read_text(encoding="utf-8") != text:
            raise RuleBroken(f"{card_path}: is not what {facts_path} gives", do=f"run hnhub card {dataset}")
        click.echo(f"{card_path}: as its facts say")
        return
    if folder:
        rewrite_card(folder, facts)
    else:
        write_atomically(card_path, text)
    if save:
        name = facts["corpus"]["name"]
        write_atomically(_CARDS / f"{name}.json", facts_path.read_bytes())
        write_atomically(_CARDS / f"{name}.md", text)
    click.echo(str(card_path))


def _dataset_folder(dataset: str) -> Path | None:
    from hnhub.publish.plan import dataset_folder

    return dataset_folder(Path(dataset)) if Path(dataset).is_dir() else None


def _json(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: can't be read as JSON ({error})", do="give a finished dataset or a corpus with a card"
        ) from error
    if not isinstance(facts, Mapping):
        raise InputError(f"{path}: is no JSON object", do="build the dataset again")
    return dict(facts)
