"""`hnhub view`: a dataset as one HTML page to look at and to mark."""

import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from hnhub.cli import complete
from hnhub.cli.help import Command

__all__ = ["view"]


@click.command(
    cls=Command,
    examples=(
        "hnhub view runs/scifact --out scifact.html",
        "hnhub view runs/scifact --serve --marks marks.json",
        "hnhub view runs/scifact --against runs/scifact-judged --out both.html",
        "hnhub view acme/scifact-hard-negatives@v1.0.0 --sample 100 --out sample.html",
    ),
)
@click.argument("dataset", metavar="PATH|REPO", shell_complete=complete.paths)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="page.html",
    show_default=True,
    help="The HTML file to write; it needs no network.",
)
@click.option("--serve", is_flag=True, help="Serve it on this machine instead, its marks going straight into --marks.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="For --serve.  [default: a free one]")
@click.option(
    "--marks",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Open with these marks; with --serve keep them there.  [default with --serve: marks.json]",
)
@click.option("--against", metavar="PATH|REPO", help="Put another dataset's negatives beside, paired by query.")
@click.option(
    "--sample", type=click.IntRange(1), help="Only so many negatives a method, drawn at random: for an estimate."
)
@click.option(
    "--queries",
    type=click.IntRange(1),
    default=5000,
    show_default=True,
    help="At most so many queries, drawn by --seed.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")
@click.option(
    "--candidates",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="Of a query and a method beside its negatives, those that were dropped first.",
)
def view(dataset: str, out: Path, serve: bool, port: int, marks: Path | None, **options: Any) -> None:
    """Write a page of the dataset: every query with its positive and the negatives of all methods, to search, sort and mark."""
    import hnhub

    if not serve:
        page = hnhub.view(dataset, marks=marks, **options)
        path = page.save(out)
        click.echo(f"{path}: {page.says}, {path.stat().st_size:,} bytes")
        return
    page = hnhub.view(dataset, **options)
    file = marks or Path("marks.json")
    with page.serving(file, port=port) as address:
        click.echo(f"{address}\n{page.says}; marks go into {file}; stop with Ctrl-C")
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        with suppress(KeyboardInterrupt):
            stopped.wait()
