"""A few queries with the negatives of every method in columns beside each other."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from hnhub.errors import InputError
from hnhub.rows.stats import configs, split_files
from hnhub.text.terminal import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["WIDTH", "Query", "plain", "print_queries", "read_queries"]

WIDTH = 100
"""Columns of the plain text."""
_NARROW = 30  # columns of one method, at least; with fewer it can't be read
_GAP = 2
_LINES = 7  # of one text


@dataclass(frozen=True)
class Query:
    """A query with its first positive, and the negatives of each method."""

    id: str
    text: str
    positive: str
    """The positive's id, and how many there are."""
    positive_text: str | None
    """None where texts are not published."""
    negatives: Mapping[str, Sequence[tuple[str, str | None]]]
    """Method -> where each comes from, and its text."""


def read_queries(folder: Path, method: str | None, rows: int) -> list[Query]:
    """The first queries that have negatives in every method shown. Raises InputError if there is no such method."""
    found = [config.removesuffix("-scored") for config in configs(folder) if config.endswith("-scored")]
    if not found or (method is not None and method not in found):
        raise InputError(
            f"{folder}: has no rows of {method or 'any method'}", do=f"its methods are {', '.join(found) or 'none'}"
        )
    methods = [method] if method else found
    files = {
        name: [str(p) for paths in split_files(folder, f"{name}-scored").values() for p in paths] for name in methods
    }
    chosen = {name: pl.scan_parquet(paths).filter(pl.col("position").is_not_null()) for name, paths in files.items()}
    ids = [set(table.select(pl.col("query_id").unique()).collect()["query_id"]) for table in chosen.values()]
    queries = pl.concat([pl.read_parquet(path) for paths in split_files(folder, "queries").values() for path in paths])
    shown = queries.filter(pl.col("query_id").is_in(list(set.intersection(*ids)))).head(rows)
    wanted = pl.col("query_id").is_in(shown["query_id"].implode())
    tables = {name: table.filter(wanted).collect() for name, table in chosen.items()}
    positives = pl.scan_parquet(files[methods[0]]).filter(wanted & (pl.col("label") == 1)).collect()
    texts = dict(positives.select("document_id", "text").iter_rows())
    return [
        Query(
            query_id,
            query,
            positive_ids[0] + (f", the first of {len(positive_ids):,}" if len(positive_ids) > 1 else ""),
            texts.get(positive_ids[0]),
            {name: _negatives(table.filter(pl.col("query_id") == query_id)) for name, table in tables.items()},
        )
        for query_id, query, positive_ids in shown.select("query_id", "query", "positive_ids").iter_rows()
    ]


def _negatives(rows: pl.DataFrame) -> list[tuple[str, str | None]]:
    found = []
    for row in rows.sort("position").iter_rows(named=True):
        source = row["document_id"] or "generated"
        scored = "" if row["score"] is None else f", score {row['score']:.4g}"
        ranked = "" if row["rank"] is None or row["document_id"] is None else f", rank {row['rank']}"
        found.append((f"{row['position']}: {source}{ranked}{scored}", row["text"]))
    return found


def plain(queries: Sequence[Query]) -> str:
    """As text, WIDTH columns wide."""
    blocks = []
    for one in queries:
        lines = [f"{f'== {one.id} ':=<{WIDTH}}", *_folded(one.text, WIDTH)]
        lines += ["", f"positive {one.positive}", *_folded(one.positive_text, WIDTH)]
        for band, width in _bands(list(one.negatives), WIDTH):
            columns = [_column(name, one.negatives[name], width) for name in band]
            lines += ["", *_beside(columns, width)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _bands(methods: Sequence[str], room: int) -> Iterator[tuple[Sequence[str], int]]:
    """The methods that stand beside each other, and how wide each is."""
    beside = max(1, (room + _GAP) // (_NARROW + _GAP))
    for at in range(0, len(methods), beside):
        band = methods[at : at + beside]
        yield band, (room - _GAP * (len(band) - 1)) // len(band)


def _column(method: str, negatives: Sequence[tuple[str, str | None]], width: int) -> list[list[str]]:
    """A head, and a block of lines for each negative."""
    blocks = [[f"{f'-- {method} ':-<{width}}"]]
    for head, text in negatives:
        blocks.append([*_head(head, width), *_folded(text, width), ""])
    return blocks


def _beside(columns: Sequence[list[list[str]]], width: int) -> list[str]:
    lines = []
    for blocks in zip_longest(*columns, fillvalue=[]):
        cells = zip_longest(*blocks, fillvalue="")
        lines += ["  ".join(f"{cell:<{width}}" for cell in row).rstrip() for row in cells]
    return lines


def _head(head: str, width: int) -> list[str]:
    """Where a negative comes from, over as many lines as it takes, rank and score each in one piece."""
    kept = re.sub(r"(?<=, )(rank|score) ", "\\1\N{NO-BREAK SPACE}", head)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in textwrap.wrap(kept, width)]


def _folded(text: str | None, width: int) -> list[str]:
    if text is None:
        return [_NO_TEXT]
    return textwrap.wrap(text, width, max_lines=_LINES, placeholder=" ...")


_NO_TEXT = "(the text is not published)"


def print_queries(console: "Console", queries: Sequence[Query]) -> None:
    """The same on a terminal, as wide as it is."""
    from rich.table import Table
    from rich.text import Text

    for one in queries:
        console.rule(Text(printable(one.id), "bold"), align="left", style="dim")
        console.print(_cut(console, one.text, console.width, "bold"))
        console.print(Text(f"\npositive {printable(one.positive)}", "green", overflow="fold"))
        console.print(_cut(console, one.positive_text, console.width))
        for band, width in _bands(list(one.negatives), console.width):
            table = Table.grid(padding=(0, _GAP), pad_edge=False)
            for _ in band:
                table.add_column(width=width, overflow="fold")
            table.add_row(*(Text(f"\n{name}", "bold cyan") for name in band))
            for row in zip_longest(*(one.negatives[name] for name in band)):
                table.add_row(*(_cell(console, found, width) for found in row))
            console.print(table)


def _cell(console: "Console", found: tuple[str, str | None] | None, width: int) -> "Text":
    from rich.text import Text

    if found is None:
        return Text("")
    head, text = found
    lines = "\n".join(_head(printable(head), width))
    return Text.assemble((f"{lines}\n", "dim"), _cut(console, text, width), "\n")


def _cut(console: "Console", text: str | None, width: int, style: str = "") -> "Text":
    """At most _LINES lines of it. What a terminal would obey is shown as it is written."""
    from rich.text import Text

    if text is None:
        return Text(_NO_TEXT, "dim")
    lines = Text(printable(" ".join(text.split())), style).wrap(console, width, overflow="fold")
    if len(lines) > _LINES:
        last = lines[_LINES - 1]
        if last.cell_len > width - 4:
            last.truncate(width - 4)
            if (word := last.plain.rfind(" ")) > 0:  # not within a word
                last.right_crop(len(last) - word)
        last.append(" ...")
    return Text("\n").join(lines[:_LINES])
