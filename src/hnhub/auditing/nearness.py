"""How near texts are: by an encoder where there is one, else by shared words."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hnhub.rows.stats import words_of

__all__ = ["Encodes", "Nearness"]

Vectors = NDArray[np.floating[Any]]


class Encodes(Protocol):
    """What of `hnhub.encode.encoder.Encoder` is needed."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of queries."""

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of documents."""


class Nearness:
    """A text is encoded once, however often it is compared."""

    def __init__(self, encoder: Encodes | None) -> None:
        self._encoder = encoder
        self._known: dict[tuple[bool, str], Any] = {}

    @property
    def sees_meaning(self) -> bool:
        """False if shared words are all that it goes by."""
        return self._encoder is not None

    @property
    def name(self) -> str:
        """Of the measure, in the words of a sentence."""
        return "cosine" if self._encoder else "share of words"

    def of(self, left: Sequence[str], right: Sequence[str], *, documents: bool = False) -> Vectors:
        """Nearness of each pair: a query, or with `documents` a document, and a document."""
        if self._encoder is None:
            return np.array([self._words(a, b, documents=documents) for a, b in zip(left, right, strict=True)])
        a = self._vectors(left, documents=documents)
        b = self._vectors(right, documents=True)
        return np.array([a[x] @ b[y] for x, y in zip(left, right, strict=True)], dtype=np.float64)

    def vectors(self, queries: Sequence[str]) -> Vectors | None:
        """Vectors [n, dimension] of queries, in order; None without an encoder."""
        if self._encoder is None:
            return None
        known = self._vectors(queries, documents=False)
        return np.stack([known[query] for query in queries]) if queries else np.zeros((0, 1))

    def _vectors(self, texts: Sequence[str], *, documents: bool) -> dict[str, Any]:
        assert self._encoder is not None
        new = [text for text in dict.fromkeys(texts) if (documents, text) not in self._known]
        if new:
            encode: Callable[..., Vectors] = (
                self._encoder.encode_documents if documents else self._encoder.encode_queries
            )
            for text, vector in zip(new, encode(new), strict=True):
                self._known[documents, text] = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return {text: self._known[documents, text] for text in texts}

    def _words(self, a: str, b: str, *, documents: bool) -> float:
        left, right = self._word_set(a), self._word_set(b)
        shared = len(left & right)
        return shared / max(1, len(left | right) if documents else len(left))

    def _word_set(self, text: str) -> set[str]:
        key = (True, text)
        if key not in self._known:
            self._known[key] = words_of(text)
        found: set[str] = self._known[key]
        return found
