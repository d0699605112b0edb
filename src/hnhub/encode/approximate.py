"""Approximate nearest documents by a faiss index: only where it is asked for, for corpora that exact search is too slow for."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hnhub.encode.shards import Embeddings
from hnhub.errors import MissingExtra, UsageError

__all__ = ["approximate_top_k", "build_index", "check_factory", "recall"]

_TRAINED = 131_072
"""Vectors that clusters and codes are learned from, drawn by the seed."""
_BLOCK = 512
"""Queries whose documents' vectors are in memory at a time."""


def check_factory(factory: str, dimension: int) -> None:
    """Raises UsageError for a string that faiss can't make an index of for such vectors, MissingExtra without faiss."""
    with _explained(factory):
        _empty_index(factory, dimension)


def build_index(embeddings: Embeddings, factory: str, path: Path, *, seed: int = 0) -> None:
    """Write the index of faiss's `factory` string to `path`, e.g. `IVF1024,Flat;nprobe=32`: after the semicolon, how to search.

    On one thread, so that the same vectors give the same index. Faiss holds a whole index in memory. Raises MissingExtra
    without faiss, UsageError if it refuses the factory string for these vectors.
    """
    faiss = _faiss()
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        with _explained(factory):
            index = _empty_index(factory, embeddings.dimension)
            drawn = np.random.default_rng(seed).permutation(embeddings.rows)[:_TRAINED]
            index.train(embeddings.take(np.sort(drawn)))
            for chunk in embeddings.chunks():
                index.add(np.ascontiguousarray(chunk, np.float32))
    finally:
        faiss.omp_set_num_threads(threads)
    unfinished = path.with_suffix(".part")
    faiss.write_index(index, str(unfinished))
    unfinished.replace(path)


def approximate_top_k(
    queries: NDArray[np.floating], embeddings: Embeddings, k: int, path: Path
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """As `topk.top_k`, among the documents that the index at `path` finds; their scores are exact.

    An index may find fewer than k: then -1 and -inf. Raises MissingExtra without faiss.
    """
    asked = np.ascontiguousarray(queries, np.float32)
    _, found = _read(path).search(asked, k)
    scores = np.full(found.shape, -np.inf, np.float32)
    for start in range(0, len(asked), _BLOCK):
        places, where = np.unique(found[start : start + _BLOCK], return_inverse=True)
        vectors = embeddings.take(np.maximum(places, 0))
        for row, own in enumerate(where.reshape(-1, k), start):
            there = found[row] >= 0
            scores[row, there] = vectors[own[there]] @ asked[row]
    order = np.lexsort((found, -scores), axis=-1)
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1)


def recall(exact: NDArray[np.integer], found: NDArray[np.integer]) -> float:
    """The share of the exact neighbours [q, k] that are among those found [q, k]."""
    hits = sum(len(np.intersect1d(one[one >= 0], other)) for one, other in zip(exact, found, strict=True))
    return hits / max(1, int((exact >= 0).sum()))


@lru_cache(1)
def _read(path: Path) -> Any:
    """In memory, once in every process that makes parts; the name says what is in it."""
    return _faiss().read_index(str(path))


def _empty_index(factory: str, dimension: int) -> Any:
    faiss = _faiss()
    kind, _, search = factory.partition(";")
    index = faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)
    if search:
        faiss.ParameterSpace().set_index_parameters(index, search)
    return index


@contextmanager
def _explained(factory: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().rpartition(": ")[2]
        raise UsageError(f"faiss refuses {factory!r} ({reason})", do="correct --faiss, or leave it out") from error


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtra("faiss", extra="faiss", instead="leave --faiss out") from error
    return faiss
