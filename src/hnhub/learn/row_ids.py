"""Which passages of a batch are known to answer which of its queries: rows of text as numbers, for the losses."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from hnhub.text.similarity import near_pairs, normalise

__all__ = ["RowIds", "number_rows", "passage_columns"]

log = logging.getLogger(__name__)

_NEAR_COPIES = 20_000
"""Near copies are looked for among so many distinct passages at most (3,633 abstracts take 8 s); equal ones always."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RowIds:
    """Training rows as numbers. Texts that are equal after normalising have one number; so have passages that nearly are."""

    queries: Integers
    """Of each row, shape [rows]."""
    passages: Integers
    """Of each row and passage column, the positive's first, shape [rows, columns]."""
    answers: Integers
    """`query * passage_count + passage` for every known positive, ascending."""
    passage_count: int
    query_texts: Sequence[str]
    """By number, one of the texts that have it."""
    passage_texts: Sequence[str]


def passage_columns(rows: pl.DataFrame) -> list[str]:
    """The columns of passages, the positive's first."""
    return [column for column in rows.columns if column not in ("query", "label")]


def number_rows(rows: pl.DataFrame, *, near: bool = True) -> RowIds:
    """Number the texts of training rows. Every text of a column `positive*` is an answer to its row's query.

    With `near` a passage that nearly equals another has its number, unless there are too many to look.
    """
    columns = passage_columns(rows)
    queries, query_texts = _numbers(rows["query"])
    passages, passage_texts = _numbers(pl.concat([rows[column] for column in columns]))
    if near and len(passage_texts) <= _NEAR_COPIES:
        passages = _joined(passages, passage_texts)
    elif near:
        log.info("%d passages: near copies of positives are not looked for in batches", len(passage_texts))
    table = np.ascontiguousarray(passages.reshape(len(columns), rows.height).T)
    positive = [at for at, column in enumerate(columns) if column.startswith("positive")]
    answers = np.unique(queries[:, None] * len(passage_texts) + table[:, positive])
    return RowIds(queries, table, answers, len(passage_texts), query_texts, passage_texts)


def _numbers(texts: pl.Series) -> tuple[Integers, list[str]]:
    distinct = texts.unique(maintain_order=True).to_list()
    number: dict[str, int] = {}
    of_text = [number.setdefault(normalise(text), len(number)) for text in distinct]
    names = dict(zip(reversed(of_text), reversed(distinct), strict=True))
    found = texts.replace_strict(distinct, of_text, return_dtype=pl.Int64).to_numpy()
    return np.asarray(found, np.int64), [names[i] for i in range(len(number))]


def _joined(numbers: Integers, texts: Sequence[str]) -> Integers:
    """Near copies get the number of the first text that they are, or are near to one that is, a copy of."""
    first = np.arange(len(texts))
    for i, j, _ in near_pairs(texts):
        first[i] = min(first[i], first[j])
    return np.asarray(first[numbers], np.int64)
