"""`hnhub cache`: what HNHUB_HOME holds, and taking old things out of it."""

import json
import time
from typing import Any

import click

from hnhub.api.cache import KINDS
from hnhub.cli.help import Choice, Command
from hnhub.cli.options import as_json

__all__ = ["cache"]

_KINDS = [kind for kind in KINDS if kind != "journal"]


@click.group(invoke_without_command=True)
@click.pass_context
def cache(ctx: click.Context) -> None:
    """Look after HNHUB_HOME: corpora, indexes, vectors and what else several builds share."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, as_json=False)


@cache.command(cls=Command, examples=("hnhub cache show", "hnhub cache show --json"))
@as_json
def show(as_json: bool) -> None:
    """List what is there, how large it is and when it last changed."""
    from hnhub.api.cache import list_cache
    from hnhub.home import home

    entries = list_cache()
    if as_json:
        click.echo(json.dumps({"home": str(home()), "entries": [_plain(entry) for entry in entries]}, indent=1))
        return
    for entry in entries:
        click.echo(_line(entry))
    click.echo(f"{home()}: {sum(entry.size for entry in entries) / 1e6:,.1f} MB")


@cache.command(
    cls=Command, examples=("hnhub cache prune --older-than 30 --dry-run", "hnhub cache prune --kind embeddings")
)
@click.option("--older-than", type=click.FloatRange(0), metavar="DAYS", help="What has not changed for so long.")
@click.option("--kind", "kinds", multiple=True, type=Choice(_KINDS), help="Only this; repeatable.")
@click.option("--all", "everything", is_flag=True, help="All there is.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and leave it.")
@as_json
def prune(older_than: float | None, kinds: tuple[str, ...], everything: bool, dry_run: bool, as_json: bool) -> None:
    """Take out what can be made or fetched again; the journal stays, and what a process is making right now."""
    from hnhub.api.cache import prune_cache

    if not (everything or kinds or older_than is not None):
        raise click.UsageError("nothing is named: give --older-than, --kind or --all")
    gone = prune_cache(kinds or None, older_than=older_than or 0.0, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps([_plain(entry) for entry in gone], indent=1))
        return
    for entry in gone:
        click.echo(_line(entry))
    click.echo(f"{'would go' if dry_run else 'gone'}: {sum(entry.size for entry in gone) / 1e6:,.1f} MB")


def _plain(entry: Any) -> dict[str, Any]:
    return {"kind": entry.kind, "path": str(entry.path), "size": entry.size, "changed": entry.changed}


def _line(entry: Any) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime(entry.changed)) if entry.changed else "-"
    return f"{entry.kind:10} {entry.size / 1e6:10,.1f} MB  {day}  {entry.path.name}"
