"""`hnhub release`: many corpora, from a plan file."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hnhub.cli.help import Command

if TYPE_CHECKING:
    from hnhub.api.release import Outcome, ReleaseForecast

__all__ = ["release"]


@click.command(
    cls=Command,
    examples=(
        "hnhub release releases/mined.toml --dry-run",
        "hnhub release releases/mined.toml --endpoint http://127.0.0.1:8000",
    ),
)
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--endpoint", "endpoints", multiple=True, metavar="URL|local", help="Instead of the plan's; repeatable.")
@click.option("--dry-run", is_flag=True, help="Say what would be built and pushed, and do neither.")
def release(plan: Path, endpoints: tuple[str, ...], dry_run: bool) -> None:
    """Build and publish every corpus of PLAN (TOML, see docs/release.md), and print a table in Markdown.

    Given again it goes on where it stopped: stages that are done are taken, and what is published stays as it is.
    """
    from hnhub.api import release as library

    items = library.read_release(plan).items(endpoints)
    if dry_run:
        forecasts = library.forecast_release(items)
        for found in forecasts:
            click.echo(_forecast(found))
        if asked := sum(found.requests for found in forecasts):
            read, written = (
                sum(getattr(found, name) for found in forecasts) for name in ("prompt_tokens", "completion_tokens")
            )
            click.echo(f"\n{asked:,} requests, {read:,} tokens in, at most {written:,} out")
        for note in dict.fromkeys(found.note for found in forecasts if found.to_build and found.note):
            click.echo(f"without a look at the endpoint: {note}")
        return

    def told(outcome: "Outcome") -> None:
        click.echo(f"{outcome.item.corpus}: {outcome.error or (outcome.pushed and outcome.pushed.url)}", err=True)

    outcomes = library.release(items, told)
    click.echo(library.summary(outcomes))
    if failed := [outcome.error for outcome in outcomes if outcome.error]:
        raise failed[0]


def _forecast(found: "ReleaseForecast") -> str:
    from hnhub.cli.hub import push_table

    repo = found.item.target.repo
    where = f"{found.item.corpus} -> {repo}"
    if found.push is None:
        if not found.to_build:
            return f"{where}: can't be told ({found.note})"
        asked = (
            f"; {found.requests:,} requests, {found.prompt_tokens:,} tokens in, at most {found.completion_tokens:,} out"
        )
        return f"{where}: to build {', '.join(found.to_build)}{asked if found.requests else ''}; then one commit"
    return f"{where}: built\n{push_table(found.push, repo)}"
