"""`hnhub release`: many corpora, from a plan file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hnhub.api.release import Item

__all__ = ["release"]


@click.command()
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--endpoint", "endpoints", multiple=True, metavar="URL|local", help="Instead of the plan's; repeatable.")
@click.option("--dry-run", is_flag=True, help="Say what would be built and pushed, and do neither.")
def release(plan: Path, endpoints: tuple[str, ...], dry_run: bool) -> None:
    """Build and publish every corpus of PLAN (TOML, see docs/release.md), and print a table in Markdown.

    Given again it goes on where it stopped: stages that are done are taken, and what is published stays as it is.
    """
    from hnhub.api.release import build_dataset, read_plan, run_release, summary
    from hnhub.publish.hub import connect
    from hnhub.publish.plan import read_folder
    from hnhub.publish.push import push
    from hnhub.publish.rules import refuse_unpublishable

    items = read_plan(plan).items(endpoints)
    for item in items:
        _check(item)
    api = connect()
    if dry_run:
        for item in items:
            click.echo(_forecast(api, item))
        return

    def publish(path: Path, item: "Item") -> Any:
        folder = read_folder(path)
        refuse_unpublishable(folder)
        return push(api, folder, item.target)

    def told(outcome: Any) -> None:
        click.echo(f"{outcome.item.corpus}: {outcome.error or outcome.pushed.url}", err=True)

    outcomes = run_release(items, build_dataset, publish, told)
    click.echo(summary(outcomes))
    if failed := [outcome.error for outcome in outcomes if outcome.error]:
        raise failed[0]


def _check(item: "Item") -> None:
    """Let the build command read its words, so that a wrong one is refused before anything runs."""
    from hnhub.cli.build import build

    build.make_context("hnhub build", list(item.build))


def _forecast(api: Any, item: "Item") -> str:
    """What is left to build, or what a push would do."""
    from hnhub.api.release import build_dataset
    from hnhub.cli.hub import plan_table
    from hnhub.publish.plan import read_folder
    from hnhub.publish.push import plan_push

    where = f"{item.corpus} -> {item.target.repo}"
    command = [sys.executable, "-m", "hnhub", "plan", *item.build, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return f"{where}: can't be planned, see above"
    if left := [step["stage"] for step in json.loads(done.stdout)["steps"] if step["state"] != "done"]:
        return f"{where}: to build {', '.join(left)}; then one commit"
    # Every stage is there, so that this build makes nothing and only says where the dataset lies.
    folder = read_folder(build_dataset(item))
    return f"{where}: built\n{plan_table(plan_push(api, folder, item.target.repo), item.target.repo)}"
