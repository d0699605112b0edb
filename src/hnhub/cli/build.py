"""`hnhub build`: from a corpus to a finished dataset."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from hnhub.cli.help import BUILD_GROUPS, Command
from hnhub.cli.options import as_json, build_options, given
from hnhub.progress import Event, display, listening

if TYPE_CHECKING:
    from hnhub.api.runs import Run

__all__ = ["build", "telling"]


@click.command(
    cls=Command,
    groups=BUILD_GROUPS,
    examples=(
        "hnhub build scifact --method bm25 --queries-from qrels",
        "hnhub build ./manuals --method llm --method bm25 --endpoint http://127.0.0.1:8000",
        "hnhub build mycorpus --corpus-dir path/to/beir-folder --method all --queries 500",
    ),
)
@build_options
@as_json
def build(as_json: bool, **options: Any) -> None:
    """Build a dataset from CORPUS: a name of the catalog, a Hub dataset, or with --corpus-dir any name you like."""
    import hnhub

    corpus, name, asked = given(options)
    with telling():
        run = hnhub.build(corpus, name=name, **asked)
    click.echo(json.dumps(_result(run), indent=1, ensure_ascii=False) if as_json else _report(_result(run)))


@contextmanager
def telling() -> Iterator[None]:
    """Show progress, and a line for each stage that is done."""
    with display() as show:

        def hear(event: Event) -> None:
            if event.state == "working":
                show(event)
            else:
                click.echo(_stage_line(event), err=True)

        with listening(hear):
            yield


def _stage_line(event: Event) -> str:
    dropped = sum(event.dropped.values())
    text = f"{event.what}, {dropped:,} dropped" if dropped else event.what
    return f"{event.stage:22} {text:58} {f'{event.seconds:.1f} s' if event.state == 'made' else 'there'}"


def _result(run: "Run") -> dict[str, Any]:
    return {
        "dataset": str(run.folder),
        "fingerprint": run.fingerprint,
        "rows": run.rows,
        "drops": run.stats["stats"]["drops"],
        "model": run.asked,
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
        f"{totals['parse_failures']:,} answers not parsed ({totals['parse_failures'] / max(1, totals['requests']):.1%})",
    )


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
