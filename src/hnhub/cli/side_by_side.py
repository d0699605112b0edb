"""A few queries with the negatives of every method in columns beside each other, for a screen of 100 columns."""

import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import polars as pl

from hnhub.errors import InputError
from hnhub.rows.stats import configs, split_files

__all__ = ["WIDTH", "side_by_side"]

WIDTH = 100
_BESIDE = 3  # methods in one band; with more, a column is too narrow to read
_LINES = 7  # of one text


def side_by_side(folder: Path, method: str | None, rows: int) -> str:
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
    blocks = []
    for query_id, query, positive_ids in shown.select("query_id", "query", "positive_ids").iter_rows():
        lines = [f"{f'== {query_id} ':=<{WIDTH}}", *_folded(query, WIDTH)]
        more = f", the first of {len(positive_ids):,}" if len(positive_ids) > 1 else ""
        lines += ["", f"positive {positive_ids[0]}{more}", *_folded(texts.get(positive_ids[0]), WIDTH)]
        for at in range(0, len(methods), _BESIDE):
            band = methods[at : at + _BESIDE]
            width = (WIDTH - 2 * (len(band) - 1)) // len(band)
            columns = [_column(name, tables[name].filter(pl.col("query_id") == query_id), width) for name in band]
            lines += ["", *_beside(columns, width)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _column(method: str, negatives: pl.DataFrame, width: int) -> list[list[str]]:
    """A head, and a block of lines for each negative."""
    blocks = [[f"{f'-- {method} ':-<{width}}"]]
    for row in negatives.sort("position").iter_rows(named=True):
        source = row["document_id"] or "generated"
        scored = "" if row["score"] is None else f", score {row['score']:.4g}"
        ranked = "" if row["rank"] is None or row["document_id"] is None else f", rank {row['rank']}"
        head = textwrap.shorten(f"{row['position']}: {source}{ranked}{scored}", width, placeholder="...")
        blocks.append([head, *_folded(row["text"], width), ""])
    return blocks


def _beside(columns: Sequence[list[list[str]]], width: int) -> list[str]:
    lines = []
    for blocks in zip_longest(*columns, fillvalue=[]):
        cells = zip_longest(*blocks, fillvalue="")
        lines += ["  ".join(f"{cell:<{width}}" for cell in row).rstrip() for row in cells]
    return lines


def _folded(text: str | None, width: int) -> list[str]:
    if text is None:
        return ["(the text is not published)"]
    return textwrap.wrap(text, width, max_lines=_LINES, placeholder=" ...")
