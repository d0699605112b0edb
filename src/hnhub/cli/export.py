"""`hnhub export`: a dataset in another project's layout."""

import json
from pathlib import Path
from typing import Any

import click

from hnhub.cli import complete
from hnhub.cli.help import Choice, Command
from hnhub.cli.options import as_json
from hnhub.layouts.formats import FORMATS
from hnhub.records import METHODS

__all__ = ["export"]


@click.command(
    cls=Command,
    examples=(
        "hnhub export runs/scifact --to flag-embedding --method bm25 --out exports/scifact",
        "hnhub export acme/scifact-hard-negatives@v1.0.0 --to pylate --method ce --negatives 31 --out scifact-pylate",
    ),
)
@click.argument("dataset", metavar="PATH|REPO", shell_complete=complete.paths)
@click.option(
    "--to", required=True, type=Choice(list(FORMATS)), help="The layout; docs/export.md says how each is read."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to make.")
@click.option("--method", type=Choice(METHODS), help="Whose negatives.  [default: the only one]")
@click.option("--split", "splits", multiple=True, help="Repeatable.  [default: train; of beir all]")
@click.option(
    "--negatives",
    type=click.IntRange(1),
    help="At most this many a query: the chosen ones, then by rank what else may be one.  [default: the chosen ones]",
)
@click.option("--scores", is_flag=True, help="Put the method's scores in; what has none is left out.")
@click.option("--prompt", metavar="TEXT", help="flag-embedding: the instruction of the queries.")
@click.option(
    "--corpus",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your copy of a corpus of which only ids are published, e.g. runs/bioasq/corpus.",
)
@as_json
def export(dataset: str, to: str, out: Path, as_json: bool, **options: Any) -> None:
    """Write a dataset, or a Hub repository (NAMESPACE/NAME[@REVISION]), in the layout that another project reads."""
    import hnhub

    done = hnhub.export(dataset, out, to=to, **options)
    if as_json:
        found = {"folder": str(done.folder), "lines": done.lines, "left_out": done.left_out, "read": done.read}
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        click.echo(repr(done))
