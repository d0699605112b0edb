"""rank-bm25 and bm25s behind the same door: the same tokens, their own scores, everything in memory."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hnhub.bm25.analysis import analyze
from hnhub.bm25.documents import read_contents
from hnhub.errors import MissingExtra
from hnhub.records import BM25Settings

__all__ = ["ReferenceIndex", "bm25s_scorer", "rank_bm25_scorer", "reference_index"]

Scorer = Callable[[list[str]], NDArray[np.float64]]
"""From a query's tokens to the scores of all documents."""


class ReferenceIndex:
    """A library's scores with this project's analysis, order and padding."""

    def __init__(self, settings: BM25Settings, document_ids: pa.ChunkedArray, score: Scorer) -> None:
        self.settings = settings
        self.document_ids = document_ids
        self.documents = len(document_ids)
        self._score = score

    def search(self, texts: Sequence[str], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """As `Index.search`."""
        ids, scores = np.full((len(texts), k), -1, np.int32), np.zeros((len(texts), k), np.float32)
        for query, text in enumerate(texts):
            found = self._all(text)
            rows = np.argsort(-found, kind="stable")[:k]
            rows = rows[found[rows] > 0]
            ids[query, : len(rows)], scores[query, : len(rows)] = rows, found[rows]
        return ids, scores

    def scores(self, texts: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """As `Index.scores`."""
        pairs = zip(texts, rows, strict=True)
        return np.array([self._all(text)[row] if row >= 0 else 0 for text, row in pairs], np.float32)

    def _all(self, text: str) -> NDArray[np.float64]:
        tokens = analyze(text, self.settings)
        return self._score(tokens) if tokens else np.zeros(self.documents)


def reference_index(documents: Path, settings: BM25Settings) -> ReferenceIndex:
    """Index documents.parquet with the engine that `settings` names.

    Raises MissingExtra if it is not installed.
    """
    scorer = bm25s_scorer if settings.engine == "bm25s" else rank_bm25_scorer
    ids: list[pa.Array] = []
    tokens: list[list[str]] = []
    for document_id, contents in read_contents(documents):
        ids.append(document_id)
        tokens += [analyze(text, settings) for text in contents.to_pylist()]
    return ReferenceIndex(settings, pa.chunked_array(ids, pa.large_string()), scorer(tokens, settings))


def bm25s_scorer(tokens: Sequence[list[str]], settings: BM25Settings) -> Scorer:
    """bm25s's numpy engine over tokenised documents."""
    try:
        import bm25s
    except ModuleNotFoundError as error:
        raise MissingExtra("bm25s", extra="bench") from error
    index = bm25s.BM25(k1=settings.k1, b=settings.b, delta=settings.effective_delta, method=settings.method)
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(t for text in tokens for t in text))}
    if not vocabulary:
        return lambda _: np.zeros(len(tokens))
    index.index(([[vocabulary[token] for token in text] for text in tokens], vocabulary), show_progress=False)

    def score(query: list[str]) -> NDArray[np.float64]:
        known = [vocabulary[token] for token in query if token in vocabulary]
        return np.asarray(index.get_scores_from_ids(known), np.float64) if known else np.zeros(len(tokens))

    return score


def rank_bm25_scorer(tokens: Sequence[list[str]], settings: BM25Settings) -> Scorer:
    """rank-bm25's engine over tokenised documents."""
    try:
        import rank_bm25
    except ModuleNotFoundError as error:
        raise MissingExtra("rank-bm25", extra="bench") from error
    if not any(tokens):
        return lambda _: np.zeros(len(tokens))
    if settings.method == "okapi":
        return _get_scores(rank_bm25.BM25Okapi(tokens, k1=settings.k1, b=settings.b))
    kind = {"bm25+": rank_bm25.BM25Plus, "bm25l": rank_bm25.BM25L}[settings.method]
    return _get_scores(kind(tokens, k1=settings.k1, b=settings.b, delta=settings.effective_delta))


def _get_scores(index: object) -> Scorer:
    scores: Scorer = index.get_scores  # type: ignore[attr-defined]
    return scores
