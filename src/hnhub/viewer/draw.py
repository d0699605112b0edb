"""What a page shows of a large dataset, drawn by a seed so that anyone draws the same."""

import hashlib
from collections.abc import Iterable

import polars as pl

__all__ = ["draw_queries", "draw_rows"]


def _order(seed: int, *parts: str | None) -> bytes:
    return hashlib.sha256("\0".join(["" if part is None else part for part in (str(seed), *parts)]).encode()).digest()


def draw_queries(ids: Iterable[str], limit: int, seed: int) -> set[str]:
    """At most `limit` of the query ids; which does not depend on their order."""
    return set(sorted(set(ids), key=lambda query_id: _order(seed, query_id))[:limit])


def draw_rows(chosen: pl.DataFrame, method: str, size: int, seed: int) -> list[tuple[str, int]]:
    """`size` of a method's negatives, all equally likely, in the order drawn, as (query id, position).

    The order is random too, so whoever reads only the first hundred has read a random hundred. `chosen` has the columns
    query_id and position.
    """
    rows: list[tuple[str, int]] = list(chosen.select("query_id", "position").iter_rows())
    return sorted(rows, key=lambda row: _order(seed, method, row[0], str(row[1])))[:size]
