"""Batches by a budget of tokens instead of a number of texts: short texts share a large batch, long ones a small one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Batch", "longest", "planned", "token_budget_batches", "token_lengths"]


class Batch(NamedTuple):
    """What a model is given at once."""

    rows: NDArray[np.intp]
    """Indices of the texts."""
    tokens: int
    """What the model sees of them."""


def planned(lengths: Sequence[int], budget: int) -> list[Batch]:
    """`token_budget_batches` with the tokens of each."""
    sizes = np.asarray(lengths, dtype=np.int64)
    return [Batch(rows, int(sizes[rows].sum())) for rows in token_budget_batches(sizes, budget)]


def token_budget_batches(lengths: ArrayLike, budget: int) -> list[NDArray[np.intp]]:
    """Cut 0..n-1 into batches of similar length, longest first; rows x longest row stays within `budget` tokens.

    A text longer than the budget is a batch of its own. Equal lengths keep their order, so the plan is deterministic.
    """
    values = np.maximum(np.asarray(lengths, dtype=np.int64), 1)
    order = np.argsort(-values, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        rows = max(1, budget // int(values[order[start]]))
        batches.append(order[start : start + rows])
        start += rows
    return batches


def longest(model: object) -> int | None:
    """The model's maximum length in tokens; None where it has none (static embeddings say infinity)."""
    limit = getattr(model, "max_seq_length", None)
    return int(limit) if limit is not None and limit < 1 << 30 else None


def token_lengths(model: object, texts: Sequence[str] | Sequence[tuple[str, str]]) -> list[int]:
    """How many tokens the model sees of each text or pair: for planning, so an estimate is right where no tokenizer tells."""
    from transformers import PreTrainedTokenizerBase

    tokenizer = getattr(model, "tokenizer", None)
    limit = longest(model)
    rows = list(texts)
    if not rows:
        return []
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        sizes = (sum(map(len, row)) if isinstance(row, tuple) else len(row) for row in rows)
        return [min(size // 4 + 1, limit or size + 1) for size in sizes]
    answer = tokenizer(rows, truncation=limit is not None, max_length=limit, return_attention_mask=False)
    return [len(ids) for ids in answer["input_ids"]]
