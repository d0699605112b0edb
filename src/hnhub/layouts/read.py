"""Queries with their positives and negatives, read in order from a dataset's scored config."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import polars as pl

from hnhub.errors import InputError, UsageError
from hnhub.layouts.group import Group, Passage
from hnhub.rows.assemble import distinct_positives
from hnhub.rows.folder import Folder
from hnhub.schema import offered
from hnhub.text.documents import Texts, wanted_ids
from hnhub.text.names import meant

__all__ = ["Selection", "choose_method", "choose_splits", "read_groups"]

_COLUMNS = ["query_id", "query", "document_id", "text", "label", "rank", "score", "verdict", "reason", "position"]


@dataclass(frozen=True)
class Selection:
    """Which rows are read."""

    method: str
    splits: tuple[str, ...]
    negatives: int | None = None
    """At most this many a query, the chosen ones first and then what else may be one; None is the chosen ones."""
    scores: bool = False
    fixed: bool = False
    """A query with fewer is left out even if the dataset keeps such queries, or more were asked for than are chosen."""
    numbered: bool = False
    """Passages have numbers, and say whether they are new; every id is held for that."""
    corpus: Path | None = None
    """The user's copy of a corpus that may not be passed on."""


_Row = tuple[str, str, float | None]
"""Id, text, score."""


@dataclass
class _Counter:
    """Numbers for passages and queries. Each id is held, so only where a layout asks for them."""

    numbered: bool
    numbers: dict[str, int] = field(default_factory=dict)
    queries: int = 0

    def group(self, split: str, query: tuple[str, str], positives: list[_Row], negatives: list[_Row]) -> Group:
        self.queries += 1
        made = (tuple(self._passage(*row) for row in side) for side in (positives, negatives))
        return Group(split, *query, self.queries - 1, *made)

    def _passage(self, document_id: str, text: str, score: float | None) -> Passage:
        if not self.numbered:
            return Passage(document_id, text, score, -1, first=False)
        first = document_id not in self.numbers
        number = self.numbers.setdefault(document_id, len(self.numbers))
        return Passage(document_id, text, score, number, first)


def read_groups(folder: Folder, chosen: Selection, left_out: Counter[str]) -> Iterator[Group]:
    """Every query of the splits that has a positive and its negatives. What has not is counted in `left_out`, by reason.

    Raises InputError for an id that would break a line, and where texts are neither published nor in `chosen.corpus`.
    """
    counter = _Counter(chosen.numbered)
    config = f"{chosen.method}-scored"
    with ExitStack() as stack:
        texts = _own_texts(folder, config, chosen.corpus, stack)
        for split in chosen.splits:
            for frame in folder.query_groups(config, split, _COLUMNS):
                rows = _checked(frame if texts is None else _with_texts(frame, *texts, split))
                for query_id, query, positives, negatives in _queries(rows, chosen):
                    sides = _kept(positives, negatives, folder.recipe, chosen)
                    if query is None or isinstance(sides, str):
                        left_out[sides if isinstance(sides, str) else "no_text"] += 1
                    else:
                        if chosen.scores and (lost := _unscored(positives, negatives[: chosen.negatives])):
                            left_out["passages_without_score"] += lost
                        yield counter.group(split, (query_id, query), *sides)


def choose_method(folder: Folder, method: str | None) -> str:
    """The method that is named, or the only one. Raises UsageError."""
    if method is None and len(folder.methods) > 1:
        raise UsageError(f"{folder.path}: has {', '.join(folder.methods)}", do="name one by --method")
    found = method or next(iter(folder.methods), None)
    if found not in folder.methods:
        raise UsageError(f"{folder.path}: has no negatives by {found}", do=meant(found or "", folder.methods))
    return found


def choose_splits(folder: Folder, splits: tuple[str, ...], *, every: bool) -> tuple[str, ...]:
    """The splits that are named; else all, or only `train`. Raises UsageError for one that there is not."""
    there = tuple(folder.files["queries"])
    for split in splits or (() if every else ("train",)):
        if split not in there:
            raise UsageError(f"{folder.path}: has no split {split!r}", do=f"name one by --split: {', '.join(there)}")
    return splits or (there if every else ("train",))


def _queries(rows: pl.DataFrame, chosen: Selection) -> Iterator[tuple[str, str | None, list[_Row], list[_Row]]]:
    """Each query with its distinct positives and what may be its negatives, in order."""
    numbered = rows.with_row_index("at")
    once = numbered["at"].is_in(distinct_positives(numbered)["at"].implode())
    taken = (pl.col("label") == 0) & pl.col("position").is_not_null()
    further = (pl.col("label") == 0) & offered() & (chosen.negatives is not None)
    wanted = numbered.filter(once | taken | further).sort(
        pl.col("query_id").rle_id(), pl.col("label") == 0, "position", "at", nulls_last=True
    )
    columns = wanted.select("query_id", "query", "label", "document_id", "text", "score").iter_rows()
    for (query_id, query), group in groupby(columns, itemgetter(0, 1)):
        sides: tuple[list[_Row], list[_Row]] = ([], [])
        for _, _, label, document_id, text, score in group:
            sides[label == 0].append((document_id or _written_id(chosen.method, text), text, score))
        yield query_id, query, *sides


def _kept(
    positives: list[_Row], negatives: list[_Row], recipe: Mapping[str, Any], chosen: Selection
) -> str | tuple[list[_Row], list[_Row]]:
    """The sides as they are written, or why the query is left out."""
    positives = positives[: recipe.get("positives")]
    negatives = negatives[: chosen.negatives]
    needed = min(int(recipe["negatives"]), chosen.negatives or int(recipe["negatives"]))
    if chosen.fixed:
        needed = chosen.negatives or needed
    elif recipe.get("on_shortfall") == "keep":
        needed = 1
    if len(negatives) < needed:
        return "too_few_negatives"
    if chosen.scores:
        positives, negatives = ([row for row in side if row[2] is not None] for side in (positives, negatives))
    if not positives or len(negatives) < needed:
        return "no_score" if chosen.scores else "no_positive"
    return positives, negatives


def _unscored(positives: list[_Row], negatives: list[_Row]) -> int:
    return sum(score is None for _, _, score in positives + negatives)


def _own_texts(folder: Folder, config: str, corpus: Path | None, stack: ExitStack) -> tuple[Texts, pl.DataFrame] | None:
    """The texts of a corpus that may not be passed on, and its queries. None if the dataset publishes text."""
    if folder.publishes_text:
        return None
    if corpus is None:
        raise InputError(
            f"{folder.path}: publishes ids only", do="give your own copy of its corpus, e.g. --corpus runs/x/corpus"
        )
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hnhub-")))
    wanted = wanted_ids(pl.scan_parquet(path) for path in folder.paths(config))
    queries = pl.read_parquet(corpus / "queries.parquet").select("split", "query_id", pl.col("text").alias("own"))
    return Texts(corpus / "documents.parquet", wanted, scratch), queries


def _with_texts(frame: pl.DataFrame, texts: Texts, queries: pl.DataFrame, split: str) -> pl.DataFrame:
    frame = frame.with_columns(pl.coalesce(texts.gather(frame["document_id"]), pl.col("text")).alias("text"))
    mine = queries.filter(pl.col("split") == split).drop("split")
    frame = frame.join(mine, on="query_id", how="left", maintain_order="left")
    return frame.with_columns(pl.coalesce("query", "own").alias("query"))


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    for column in ("query_id", "document_id"):
        broken = frame[column].filter(frame[column].str.contains("[\\t\\r\\n]").fill_null(value=False))
        if len(broken):
            raise InputError(
                f"{column} {broken[0]!r} has a tab or a line break", do="build from a corpus with other ids"
            )
    return frame


def _written_id(method: str, text: str) -> str:
    return f"{method}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
