"""`hnhub push`, `hnhub pull`, `hnhub diff`: what passes between a folder and the Hub."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hnhub.cli import complete
from hnhub.cli.help import Choice, Command
from hnhub.cli.options import as_json
from hnhub.layouts.formats import FORMATS

if TYPE_CHECKING:
    from hnhub.publish.diff import Difference
    from hnhub.publish.push import Pushed
    from hnhub.publish.push_plan import PushPlan

__all__ = ["diff", "pull", "push"]

_SIGNS = {"add": "+", "change": "~", "delete": "-", "keep": " "}


@click.command(
    cls=Command,
    examples=(
        "hnhub push runs/scifact/dataset --repo acme/scifact-hard-negatives --dry-run",
        'hnhub push runs/scifact/dataset --repo acme/scifact-hard-negatives --tag v1.0.0 --collection "Hard negatives"',
    ),
)
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--repo", required=True, metavar="NS/NAME", help="The dataset repository; made if it is missing.")
@click.option("--tag", metavar="T", help="Set this tag once the commit is verified. Tags never move.")
@click.option(
    "--collection", metavar="SLUG|TITLE", help="Add the dataset to this collection; a title is made if missing."
)
@click.option("--note", metavar="TEXT", help="The dataset's note in the collection.")
@click.option("--private", is_flag=True, help="Only the owners see it.")
@click.option(
    "--gated", type=click.Choice(["auto", "manual"]), help="Readers have to ask; granted at once, or by hand."
)
@click.option("--pr", "pull_request", is_flag=True, help="Open a pull request instead of committing to main.")
@click.option("--with-page", is_flag=True, help="Put the page of `hnhub view` along, linked from the card.")
@click.option("--space", metavar="NS/NAME", help="Show that page in this static Space; made if it is missing.")
@click.option(
    "--with-answers",
    is_flag=True,
    help="Put everything that language models answered along, so that `hnhub reproduce` asks none.",
)
@click.option(
    "--with-export",
    "with_exports",
    multiple=True,
    type=Choice(list(FORMATS)),
    metavar="LAYOUT",
    help="Put every method's rows in a layout of `hnhub export` along, below exports/; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
@click.option("--force", is_flag=True, help="Overwrite what others put or changed where our files go.")
@as_json
def push(path: Path, repo: str, dry_run: bool, as_json: bool, **target: Any) -> None:
    """Publish the dataset in PATH (a dataset or a run): plan, one commit, verify, tag, collection.

    Nothing changed means no commit. After the commit a new process loads every config from the Hub and compares it
    with the manifest; only then the tag is set.
    """
    from hnhub.api.push import plan_push
    from hnhub.api.push import push as publish

    if dry_run:
        along = {name: target[name] for name in ("with_page", "space", "with_answers", "with_exports")}
        plan = plan_push(path, repo, **along)
        space = {"space": target["space"]} if target["space"] else {}
        lines = [push_table(plan, repo), *(f"space {name}: the page" for name in space.values())]
        click.echo(json.dumps(plan.as_dict() | space, indent=1) if as_json else "\n".join(lines))
        return
    done = publish(path, repo, **target)
    click.echo(json.dumps(done.as_dict(), indent=1) if as_json else _told(done))


def push_table(plan: "PushPlan", repo: str) -> str:
    """The plan for people: a line a path, and a sum."""
    at = plan.commit[:12] if plan.commit else "not there yet"
    width = max(len(step.path) for step in plan.steps)
    lines = [f"{repo} ({at})"]
    for step in plan.steps:
        rival = f"  ! {step.rival}" if step.rival else ""
        lines.append(f"{_SIGNS[step.action]} {step.action:6}  {step.path:{width}}  {step.size:>12,}{rival}")
    counts = plan.as_dict()
    files = ", ".join(f"{number} to {action}" for action, number in counts["files"].items() if action != "keep")
    lines.append(
        f"{files}, {counts['files']['keep']} as they are; {counts['bytes']:,} bytes in {min(1, len(plan.changes))} commit"
    )
    return "\n".join(lines)


def _told(done: "Pushed") -> str:
    commit = f"{'commit' if done.committed else 'nothing to commit, it stands at'} {done.commit[:12]}"
    lines = [push_table(done.plan, done.repo), commit]
    lines.append(f"verified: {done.verified} loads agree with the manifest" if done.verified else "verified before")
    lines += [f"tag {done.tag}"] if done.tag else []
    lines += [f"collection {done.collection}"] if done.collection else []
    lines += [f"space {done.space}"] if done.space else []
    lines += [f"viewer {done.viewer}"] if done.viewer else []
    return "\n".join([*lines, done.url])


@click.command(cls=Command, examples=("hnhub pull acme/scifact-hard-negatives --revision v1.0.0 --out scifact",))
@click.argument("repo")
@click.option("--revision", default="main", show_default=True, help="A branch, tag or commit.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to make.")
def pull(repo: str, revision: str, out: Path) -> None:
    """Fetch the dataset REPO (NAMESPACE/NAME) that hnhub published, and check every file against its manifest."""
    from hnhub.publish.hub import check_repo_name, connect
    from hnhub.publish.pull import pull as fetch

    commit = fetch(connect(writing=False), check_repo_name(repo), revision, out)
    click.echo(f"{out}: {repo} at {commit}")


@click.command(
    cls=Command,
    examples=(
        "hnhub diff runs/scifact acme/scifact-hard-negatives",
        "hnhub diff acme/scifact-hard-negatives@v1.0.0 acme/scifact-hard-negatives",
    ),
)
@click.argument("a", shell_complete=complete.paths)
@click.argument("b", shell_complete=complete.paths)
@as_json
def diff(a: str, b: str, as_json: bool) -> None:
    """Show what changed from A to B: rows added, removed and changed, config by config, and other files.

    Each is a dataset's or a run's folder, or REPO[@REVISION] on the Hub.
    """
    from hnhub.publish.diff import compare_folders
    from hnhub.publish.pull import opened

    with opened(a) as left, opened(b) as right:
        difference = compare_folders(left, right)
    click.echo(json.dumps(difference.as_dict(), indent=1) if as_json else _diff_table(difference))


def _diff_table(difference: "Difference") -> str:
    lines = [f"{'config':24} {'split':10} {'added':>9} {'removed':>9} {'changed':>9} {'same':>9}"]
    for s in difference.splits:
        columns = f"  columns differ: {', '.join(s.columns)}" if s.columns else ""
        lines.append(f"{s.config:24} {s.split:10} {s.added:9,} {s.removed:9,} {s.changed:9,} {s.same:9,}{columns}")
    lines += [f"{what:8} {path}" for path, what in difference.files.items()]
    return "\n".join(lines if difference.any else [*lines, "no difference"])
