"""`hnhub corpora`: the catalog as a table, one corpus in full, or all of it as JSON."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

import click

from hnhub.cli import complete
from hnhub.cli.help import Command
from hnhub.cli.screen import print_facts, print_table, screen
from hnhub.corpus.catalog import CATALOG, FAMILIES, CorpusSpec, find

__all__ = ["corpora"]

_TEXT = {True: "yes", False: "ids only", None: "unclear"}


@click.command(
    cls=Command,
    examples=(
        "hnhub corpora",
        "hnhub corpora scifact",
        "hnhub corpora --json",
    ),
)
@click.argument("name", required=False, shell_complete=complete.corpora)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def corpora(name: str | None, as_json: bool) -> None:
    """List the catalog, or everything on one corpus.

    The column "publish" says whether a dataset may carry the corpus's text, as far as its licence is known.
    """
    if as_json:
        entries = [asdict(spec) for spec in CATALOG.values()] if name is None else asdict(find(name))
        click.echo(json.dumps(entries, indent=1, ensure_ascii=False))
    elif name is None:
        head, *rows = _rows(CATALOG.values())
        if console := screen():
            print_table(console, head, rows)
        else:
            click.echo("\n".join(_plain([head, *rows])))
    else:
        facts = list(_facts(find(name)))
        if console := screen():
            print_facts(console, facts)
        else:
            lines = [f"{key:<16} " + value.replace("\n", "\n" + " " * 17) for key, value in facts]
            click.echo("\n".join(lines))


def _rows(specs: Iterable[CorpusSpec]) -> Iterator[Sequence[str]]:
    head = ("name", "documents", "train", "dev", "test", "licence", "publish", "family", "BM25", "from")
    yield head
    for spec in specs:
        splits = [f"{spec.judged_queries[split]:,}" if split in spec.judged_queries else "" for split in head[2:5]]
        bm25 = f"{spec.bm25['flat']['nDCG@10']:.4f}" if spec.bm25 else ""
        documents = f"{spec.documents:,}" if spec.documents else ""
        publish = _TEXT[spec.redistributable]
        yield (spec.name, documents, *splits, spec.licence, publish, spec.family, bm25, _from(spec))


def _plain(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = {1, 2, 3, 4, 8}
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _from(spec: CorpusSpec) -> str:
    """Whose repository on the Hub, and the commit; `hnhub corpora NAME` has both in full."""
    if spec.hub_id is None:
        return "your own copy" if spec.access == "gated" else "Python"
    return f"{spec.hub_id.partition('/')[0]}@{(spec.revision or 'newest')[:8]}"


def _facts(spec: CorpusSpec) -> Iterable[tuple[str, str]]:
    yield "name", spec.name
    yield "title", spec.title
    yield "documents", f"{spec.documents:,}" if spec.documents else "depends on the Python version"
    yield "judged queries", ", ".join(f"{split} {count:,}" for split, count in spec.judged_queries.items())
    yield "licence", f"{spec.licence} ({spec.licence_source})"
    if spec.licence_note:
        yield "", spec.licence_note
    yield "publish text", _TEXT[spec.redistributable]
    yield "access", spec.access
    for what, repo, revision in (
        ("Hub", spec.hub_id, spec.revision),
        ("Hub, qrels", spec.qrels_hub_id, spec.qrels_revision),
    ):
        if repo:
            yield what, f"{repo} @ {revision or 'the newest commit, recorded in the run'}"
    if spec.mteb:
        yield "mteb", f"{spec.mteb.name}: {spec.mteb.repo} @ {spec.mteb.revision}"
    yield "queries are", f"{spec.family}: {FAMILIES[spec.family]}"
    if spec.drop_same_id:
        yield "in evaluation", "a document whose id equals the query's is dropped from the ranking"
    for kind, figures in spec.bm25.items():
        yield f"BM25 {kind}", ", ".join(f"{metric} {value:.4f}" for metric, value in figures.items())
    yield "cite", spec.citation
