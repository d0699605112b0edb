"""`hnhub recut`: parse, call, print."""

import json
from pathlib import Path
from typing import Any

import click

from hnhub.cli import complete
from hnhub.cli.help import Choice, Command
from hnhub.cli.options import as_json

__all__ = ["recut"]


@click.command(
    cls=Command,
    examples=(
        "hnhub recut runs/scifact/dataset --max-percent 0.9 --out runs/scifact-90",
        "hnhub recut acme/scifact-hard-negatives --negatives 8 --sampling stratified --by ce_score --out runs/scifact-8",
    ),
)
@click.argument("dataset", metavar="PATH|REPO", shell_complete=complete.paths)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The new dataset's folder."
)
@click.option("--negatives", type=click.IntRange(1), help="Negatives a query.")
@click.option("--positives", type=click.IntRange(1), help="At most this many rows a query.")
@click.option(
    "--max-percent",
    type=click.FloatRange(0, 1, min_open=True),
    help="Drop candidates over this share of the positive's score, whatever scored them.",
)
@click.option("--max-margin", type=click.FloatRange(0), help="Drop candidates over the positive's score minus this.")
@click.option("--no-cut", is_flag=True, help="Neither: candidates that a cut dropped may be chosen.")
@click.option(
    "--sampling",
    type=Choice(["top", "random", "weighted", "stratified"]),
    help="How negatives are chosen from candidates.",
)
@click.option("--rank-min", type=click.IntRange(1), help="Choose from this rank on.")
@click.option("--rank-max", type=click.IntRange(1), help="Choose up to this rank.")
@click.option(
    "--on-shortfall", type=Choice(["drop", "keep", "fail"]), help="What becomes of a query with too few negatives."
)
@click.option(
    "--by",
    type=Choice(["score", "bm25_score", "dense_score", "ce_score"]),
    help="The score that cut and sampling go by.  [default: the method's own]",
)
@click.option("--seed", type=int, help="Of everything that is drawn.")
@as_json
def recut(dataset: str, out: Path, no_cut: bool, as_json: bool, **options: Any) -> None:
    """Choose other negatives from DATASET's scored candidates, without mining again. What is not given stays."""
    from hnhub.api.recut import recut as carry_out

    given = {name: value for name, value in options.items() if value is not None}
    if no_cut:
        given |= {"max_percent": None, "max_margin": None}
    run = carry_out(dataset, out=out, **given)
    click.echo(json.dumps(run.rows, indent=1, ensure_ascii=False) if as_json else repr(run))
