"""`hnhub validate`, `hnhub show` and `hnhub card`: a finished dataset checked, looked at, described."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hnhub.cli import complete
from hnhub.cli.help import Command
from hnhub.cli.options import as_json
from hnhub.cli.screen import print_violation, screen
from hnhub.records import METHODS

__all__ = ["card", "show", "validate"]


@click.command(
    cls=Command,
    examples=(
        "hnhub validate runs/scifact/dataset",
        "hnhub validate acme/scifact-hard-negatives@v1.0.0",
    ),
)
@click.argument("dataset", metavar="PATH|REPO", shell_complete=complete.paths)
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
    console = None if as_json else screen()
    with opened(dataset) as folder:
        for violation in violations(folder):
            found.append(violation)
            place = violation.path + ("" if violation.row is None else f" row {violation.row}")
            if console:
                print_violation(console, violation.rule, place, violation.message)
            elif not as_json:
                click.echo(f"{violation.rule}: {place}: {violation.message}")
    if as_json:
        rules = [{"id": rule.id, "description": rule.description} for rule in RULES]
        click.echo(
            json.dumps({"rules": rules, "violations": [asdict(one) for one in found]}, indent=1, ensure_ascii=False)
        )
    elif console:
        console.print(f"{len(RULES)} rules, {len(found)} violations", style="bold red" if found else "bold green")
    else:
        click.echo(f"{len(RULES)} rules, {len(found)} violations")
    if found:
        ctx.exit(1)


@click.command(
    cls=Command,
    examples=(
        "hnhub show runs/scifact/dataset --rows 3",
        "hnhub show acme/scifact-hard-negatives --method bm25",
    ),
)
@click.argument("dataset", metavar="PATH|REPO", shell_complete=complete.paths)
@click.option(
    "--method", type=click.Choice(METHODS), help="Only this method's negatives.  [default: all, side by side]"
)
@click.option("--rows", type=click.IntRange(1), default=3, show_default=True, help="How many queries.")
def show(dataset: str, method: str | None, rows: int) -> None:
    """Look at rows: a query, its positive, and the negatives of every method beside each other."""
    from hnhub.cli.side_by_side import plain, print_queries, read_queries
    from hnhub.publish.pull import opened

    with opened(dataset) as folder:
        queries = read_queries(folder, method, rows)
    if console := screen():
        print_queries(console, queries)
    else:
        click.echo(plain(queries))


@click.command(
    cls=Command,
    examples=(
        "hnhub card runs/scifact/dataset --repo acme/scifact-hard-negatives",
        "hnhub card pydocs --check",
        "hnhub card scifact --preview",
    ),
)
@click.argument("dataset", metavar="CORPUS|PATH", shell_complete=complete.corpora)
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if card and facts differ.")
@click.option("--repo", metavar="NS/NAME", help="PATH: name the repository in the card's snippets.")
@click.option(
    "--results", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="PATH: put in training results."
)
@click.option("--doi", metavar="DOI", help="PATH: the DOI that the Hub gave the dataset, for the citation.")
@click.option("--preview", is_flag=True, help="CORPUS: print the card that a dataset would have; nothing is built.")
@click.option("--save", is_flag=True, help="PATH: keep facts and card in dataset_cards/<corpus>.json and .md too.")
def card(dataset: str, check: bool, preview: bool, save: bool, repo: str | None, **put: Any) -> None:
    """Render the card from measured facts.

    For a dataset folder: README.md, croissant.json and plots from its stats.json. For a corpus: dataset_cards/<corpus>.md
    from dataset_cards/<corpus>.json, below the current folder.
    """
    from hnhub.api.card import check_card, preview_card, write_card

    if preview:
        click.echo(preview_card(dataset, repo=repo), nl=False)
    elif check:
        click.echo(check_card(dataset, repo=repo, **put))
    else:
        click.echo(str(write_card(dataset, repo=repo, save=save, **put)))
