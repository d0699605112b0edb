"""`hnhub plan`: what a build would do, without doing it."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from hnhub.cli import complete
from hnhub.cli.help import Command
from hnhub.cli.options import BUILD_GROUPS, as_json, given, parameters
from hnhub.cli.screen import print_list, print_table, screen

if TYPE_CHECKING:
    from hnhub.forecast.forecast import Step

__all__ = ["plan"]

_HEAD = ("stage", "state", "requests", "tokens in", "tokens out", "seconds", "work")


@click.command(
    cls=Command,
    groups=BUILD_GROUPS,
    params=[click.Argument(["corpus"], shell_complete=complete.corpora), *parameters()],
    examples=(
        "hnhub plan scifact --method all --endpoint http://127.0.0.1:8000",
        "hnhub plan msmarco --method bm25 --queries-from qrels",
        "hnhub plan scifact --method llm --price 0.1 0.4 --max-cost 5",
    ),
)
@as_json
def plan(as_json: bool, **options: Any) -> None:
    """Show what `hnhub build` with the same options would do: stages, requests, tokens, cost, time, memory, disk."""
    from hnhub.api.forecast import forecast_build

    corpus, name, asked = given(options)
    found = forecast_build(corpus, name, asked)  # type: ignore[arg-type]  # checked there
    if as_json:
        click.echo(json.dumps({**asdict(found), "cost": found.cost}, indent=1))
        return
    rows = [_cells(step) for step in found.steps]
    totals = [f"{_count(found.documents)} documents, {found.queries:,} queries"]
    if (price := found.prices) and found.cost is not None:
        totals.append(f"cost at most {found.cost:,.2f} at {price.prompt:g} and {price.completion:g} a million tokens")
    if found.memory_bytes and found.disk_bytes:
        totals.append(f"memory about {found.memory_bytes / 1e6:,.0f} MB, disk about {found.disk_bytes / 1e6:,.0f} MB")
    if console := screen():
        print_table(console, _HEAD, rows)
        click.echo("\n" + "\n".join(totals))
        print_list(console, found.notes)
        return
    for stage, state, requests, read, written, seconds, work in [_HEAD, *rows]:
        click.echo(f"{stage:22} {state:6} {requests:>9} {read:>12} {written:>11} {seconds:>8}  {work}".rstrip())
    click.echo("\n" + "\n".join([*totals, *(f"- {note}" for note in found.notes)]))


def _cells(step: "Step") -> tuple[str, ...]:
    figures = (step.requests, step.prompt_tokens, step.completion_tokens)
    cells = ["" if figure is None else f"{figure:,}" for figure in figures]
    return (step.stage, step.state, *cells, "" if step.seconds is None else f"{step.seconds:,.1f}", step.work)


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"
