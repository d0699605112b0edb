"""`hnhub journal`: look after the store of requests and answers."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from hnhub.cli.help import Command
from hnhub.stages import written_atomically

__all__ = ["journal"]


def _default() -> Path:
    from hnhub.home import home

    return home() / "journal.sqlite"


_at = click.option(
    "--journal", "path", type=click.Path(path_type=Path), default=None, help="The journal [default: in HNHUB_HOME]."
)


@click.group()
def journal() -> None:
    """Look after the store of requests and answers."""


@journal.command(cls=Command, examples=("hnhub journal stats",))
@_at
@click.option(
    "--prices",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Say what the answers cost, by a file of prices (docs/llm.md); the journal does not know which came by batches.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def stats(path: Path | None, prices: Path | None, as_json: bool) -> None:
    """Count answers, tokens and failures."""
    from hnhub.llm import journal as store
    from hnhub.llm.prices import read_prices

    found = store.stats(path or _default())
    listed = read_prices(prices) if prices else None
    for row in found["answers"] if listed else ():
        price = listed.of(row["model"]) if listed else None
        row["cost"] = price.cost(row["prompt_tokens"], row["completion_tokens"]) if price else None
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    click.echo(f"{found['path']}: {found['bytes'] / 1e6:.1f} MB")
    for row in found["answers"]:
        click.echo(_answers_line(row))
    for row in found["failures"]:
        click.echo(f"{row['model']}  {row['method']}  failed {row['count']} times: {row['reason']}")


def _answers_line(row: dict[str, Any]) -> str:
    days = [time.strftime("%Y-%m-%d", time.gmtime(row[name])) for name in ("first", "last")]
    tokens = f"{row['prompt_tokens']} + {row['completion_tokens']} tokens"
    revision = f" ({row['revision']})" if row["revision"] else ""
    cost = f", cost {row['cost']:,.4f}" if row.get("cost") is not None else ""
    return f"{row['model']}{revision}  {row['method']}  {row['answers']} answers, {tokens}{cost}, {' to '.join(days)}"


@journal.command(cls=Command, examples=("hnhub journal export --out answers.jsonl",))
@_at
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A JSONL file [default: standard output].")
def export(path: Path | None, out: Path | None) -> None:
    """Write every answer with its whole request as JSON lines."""
    from hnhub.llm import journal as store

    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in store.export(path or _default()))
    if out is None:
        sys.stdout.writelines(lines)
    else:
        with written_atomically(out) as file:
            file.writelines(line.encode() for line in lines)


@journal.command(cls=Command, examples=("hnhub journal prune --failures",))
@_at
@click.option("--older-than", type=click.FloatRange(min=0), help="Only what is older than so many days.")
@click.option("--model", help="Only what this model answered.")
@click.option("--failures", is_flag=True, help="Only failures.")
@click.option("--all", "everything", is_flag=True, help="All there is.")
def prune(path: Path | None, older_than: float | None, model: str | None, failures: bool, everything: bool) -> None:
    """Delete answers and failures, and give the room back."""
    from hnhub.llm import journal as store

    if not (everything or failures or model or older_than is not None):
        raise click.UsageError("nothing is named: give --older-than, --model, --failures or --all")
    before = None if older_than is None else int(time.time() - older_than * 86400)
    gone = store.prune(path or _default(), before=before, model=model, failures_only=failures)
    click.echo(f"deleted {gone['answers']} answers and {gone['failures']} failures")
