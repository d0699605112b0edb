"""`hnhub build`: from a corpus to a finished dataset."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from hnhub.cli import complete
from hnhub.cli.help import Command
from hnhub.cli.options import BUILD_GROUPS, as_json, given, parameters
from hnhub.cli.screen import print_table, screen
from hnhub.cli.telling import telling
from hnhub.text.terminal import printable

if TYPE_CHECKING:
    from rich.console import Console

    from hnhub.api.runs import Run

__all__ = ["build"]


@click.command(
    cls=Command,
    groups=BUILD_GROUPS,
    params=[click.Argument(["corpus"], shell_complete=complete.corpora), *parameters()],
    examples=(
        "hnhub build scifact --method bm25 --queries-from qrels",
        "hnhub build ./manuals --method llm --method bm25 --endpoint http://127.0.0.1:8000",
        "hnhub build mycorpus --corpus-dir path/to/beir-folder --method all --queries 500",
    ),
)
@as_json
def build(as_json: bool, **options: Any) -> None:
    """Build a dataset from CORPUS: a name of the catalog, a Hub dataset, or with --corpus-dir any name you like."""
    import hnhub

    corpus, name, asked = given(options)
    with telling():
        run = hnhub.build(corpus, name=name, **asked)
    result = _result(run)
    if as_json:
        click.echo(json.dumps(result, indent=1, ensure_ascii=False))
    elif console := screen():
        _show(console, result)
    else:
        click.echo(_report(result))


def _show(console: "Console", result: Mapping[str, Any]) -> None:
    """The same as `_report` on a terminal."""
    console.print(f"dataset  {printable(result['dataset'])}\n", soft_wrap=True)
    rows = [(name, split, f"{count:,}") for name, splits in result["rows"].items() for split, count in splits.items()]
    print_table(console, ("config", "split", "rows"), rows)
    console.print()
    drops = [(drop["stage"], drop["method"] or "", drop["reason"], f"{drop['count']:,}") for drop in result["drops"]]
    print_table(console, ("dropped in", "method", "reason", "count"), drops or [("nothing", "", "", "")])
    if result["model"]:
        console.print()
        head = ("asked for", "requests", "by the journal", "tokens in", "tokens out", "not parsed")
        names = ("requests", "cached", "prompt_tokens", "completion_tokens", "parse_failures")
        asked = [(method, *(f"{totals[name]:,}" for name in names)) for method, totals in result["model"].items()]
        print_table(console, head, asked)


def _result(run: "Run") -> dict[str, Any]:
    return {
        "dataset": str(run.folder),
        "fingerprint": run.fingerprint,
        "rows": run.rows,
        "drops": run.stats["stats"]["drops"],
        "model": run.asked,
        "spent": run.spent,
    }


def _report(result: Mapping[str, Any]) -> str:
    """What lies where, what was dropped and why."""
    rows = [(name, split, f"{count:,}") for name, splits in result["rows"].items() for split, count in splits.items()]
    drops = [(drop["stage"], drop["method"] or "", drop["reason"], f"{drop['count']:,}") for drop in result["drops"]]
    dropped = _columns(drops) if drops else ["  nothing"]
    lines = [f"dataset  {result['dataset']}", "", "rows", *_columns(rows), "", "dropped", *dropped]
    if result["model"]:
        lines += ["", "asked of the model", *_columns([_asked(*totals) for totals in result["model"].items()])]
    return "\n".join(lines)


def _asked(method: str, totals: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        method,
        f"{totals['requests']:,} requests",
        f"{totals['cached']:,} answered by the journal",
        f"{totals['prompt_tokens']:,} tokens in",
        f"{totals['completion_tokens']:,} out",
        f"{totals['parse_failures']:,} not parsed ({totals['parse_failures'] / max(1, totals['requests']):.1%})",
    )


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
