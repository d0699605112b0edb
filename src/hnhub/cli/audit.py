"""`hnhub audit`: negatives measured before anything is trained on them."""

import json
from collections.abc import Mapping
from typing import Any

import click

from hnhub.cli import complete
from hnhub.cli.help import Command
from hnhub.cli.options import as_json

__all__ = ["audit"]


@click.command(
    cls=Command,
    examples=(
        "hnhub audit runs/scifact",
        "hnhub audit runs/scifact --bi-encoder sentence-transformers/all-MiniLM-L6-v2 --save",
    ),
)
@click.argument("dataset", metavar="PATH|REPO", shell_complete=complete.paths)
@click.option("--bi-encoder", "encoder", metavar="ID", help="Measure nearness by it.  [default: by shared words]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")
@click.option("--save", is_flag=True, help="PATH: put what was found into stats.json and card, and so on the page.")
@as_json
def audit(dataset: str, encoder: str | None, seed: int, save: bool, as_json: bool) -> None:
    """Measure negatives before training: shortcuts, topic, hardness, language, copies across splits, diversity of queries."""
    import hnhub

    found = hnhub.audit(dataset, encoder=encoder, seed=seed, save=save)
    click.echo(json.dumps(found.facts, indent=1, ensure_ascii=False) if as_json else _report(found.facts))


def _report(facts: Mapping[str, Any]) -> str:
    """A block for each method and for the queries: the verdict, and under it what it was held against."""
    words = {True: "fine", False: "LOOK", None: "–"}
    blocks = [(f"{method}, {one['rows']:,} rows", one["findings"]) for method, one in facts["methods"].items()]
    lines = []
    for head, findings in [*blocks, ("queries", facts["dataset"])]:
        lines += [head]
        for one in findings:
            lines += [f"  {words[one['fine']]:5} {one['check']:10} {one['says']}", f"{'':19}{one['source']}"]
        lines.append("")
    return "\n".join(lines).rstrip()
