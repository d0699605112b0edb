"""`hnhub reproduce`: a dataset built again from its manifest alone."""

import json
from pathlib import Path
from typing import Any

import click

from hnhub.cli import complete
from hnhub.cli.help import Command
from hnhub.cli.options import as_json
from hnhub.cli.telling import telling
from hnhub.text.terminal import printable

__all__ = ["reproduce"]


@click.command(
    cls=Command,
    examples=(
        "hnhub reproduce acme/scifact-hard-negatives@v1.0.0",
        "hnhub reproduce runs/scifact --endpoint http://localhost:8000",
    ),
)
@click.argument("dataset", metavar="REPO[@TAG]|PATH", shell_complete=complete.paths)
@click.option(
    "--corpus-dir",
    "corpus",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read the corpus from this folder, your copy of it.  [default: the commit that the manifest names]",
)
@click.option(
    "--endpoint",
    multiple=True,
    metavar="URL|local",
    help="An LLM server to ask for what is neither among the dataset's answers nor in the journal; repeatable.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Build in this folder.  [default: in HNHUB_HOME]"
)
@as_json
def reproduce(dataset: str, as_json: bool, endpoint: tuple[str, ...], **where: Any) -> None:
    """Build a dataset again from its manifest alone, and compare it file by file.

    Fetches the corpus at its commit, takes what language models answered from the dataset's answers (`hnhub push
    --with-answers`) or the journal, and says what is the same, what differs, and what of the two builds is not the same.
    Exit code 1 if rows or ledgers differ.
    """
    import hnhub

    with telling():
        found = hnhub.reproduce(dataset, endpoint=endpoint or None, **where)
    click.echo(json.dumps(found.as_dict(), indent=1, ensure_ascii=False) if as_json else printable(repr(found)))
    if not found.same:
        click.get_current_context().exit(1)
