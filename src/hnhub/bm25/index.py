"""An index at work, and as files."""

import functools
import mmap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hnhub.bm25 import kernels
from hnhub.bm25.documents import load_ids
from hnhub.bm25.indexing import Shard
from hnhub.bm25.vocabulary import Vocabulary, WordTable, read_words, to_arrow
from hnhub.records import BM25Settings

__all__ = ["Index", "load_index", "load_shard", "save_shard", "save_terms"]

_BATCH_BYTES = 1 << 25
"""Memory for the best documents of a batch of queries."""
_SHARD_ARRAYS = ("starts", "rows", "values", "dense_terms", "dense", "lengths")
_TERM_ARRAYS = ("pool", "starts", "slots")

_Places = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]


class _Queries:
    """A batch of queries as terms: query q has `terms[ends[q - 1]:ends[q]]`, each once, with its count as weight."""

    def __init__(self, texts: Sequence[str], vocabulary: Vocabulary) -> None:
        tokens = read_words(*to_arrow(texts))
        expanded = vocabulary.translate(tokens.words)
        most = expanded.room(tokens.tokens)
        terms, counts = np.empty(most, np.int32), np.empty(most, np.uint16)
        self.ends = np.empty(len(texts), np.int64)
        last = np.full(vocabulary.terms.count, -1, np.int32)
        written = kernels.count_terms(
            tokens.tokens, tokens.ends, expanded.starts, expanded.terms, last, terms, counts, self.ends,
            np.empty(len(texts), np.int32),
        )  # fmt: skip
        self.terms, self.weights = terms[:written], counts[:written].astype(np.float32)

    def postings(self, shard: Shard) -> _Places:
        """Where each term's postings start and stop in a shard, and its dense row or -1."""
        known = len(shard.starts) - 1
        at = np.minimum(self.terms, known - 1)
        starts, stops = (shard.starts[at], shard.starts[at + 1]) if known else (at.astype(np.int64),) * 2
        stops = np.where(self.terms < known, stops, starts)
        dense = np.searchsorted(shard.dense_terms, self.terms).astype(np.int32)
        found = np.append(shard.dense_terms, -1)[dense] == self.terms
        return starts, stops, np.where(found, dense, -1).astype(np.int32)


class Index:
    """BM25 over a corpus. Results do not depend on `threads`, on shards or on the other queries."""

    def __init__(
        self,
        settings: BM25Settings,
        terms: WordTable,
        shards: Sequence[Shard],
        threads: int,
        document_ids: Callable[[], pa.ChunkedArray],
    ) -> None:
        self.settings = settings
        self.threads = threads
        self._terms = terms
        self._shards = shards
        self._document_ids = document_ids

    @functools.cached_property
    def document_ids(self) -> pa.ChunkedArray:
        """The documents' ids, by row: strings, memory-mapped."""
        return self._document_ids()

    @property
    def documents(self) -> int:
        """How many documents are indexed."""
        return sum(shard.documents for shard in self._shards)

    def search(self, texts: Sequence[str], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The best `k` documents of each query, best first, ties by document order.

        Returns rows of documents (int32 [queries, k], -1 where fewer score above 0) and scores (float32 [queries, k]).
        """
        ids, scores = np.full((len(texts), k), -1, np.int32), np.zeros((len(texts), k), np.float32)
        best = min(k, max(self.documents, 1))
        if not len(texts) or not k:
            return ids, scores
        room = max(4 * best, 256)
        batch = max(self.threads, _BATCH_BYTES // (8 * room))
        with ThreadPoolExecutor(self.threads) as pool:
            for first in range(0, len(texts), batch):
                part = slice(first, first + batch)
                found = self._search(texts[part], best, room, pool)
                ids[part, :best], scores[part, :best] = found
        return ids, scores

    def scores(self, texts: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The score of one document (by row; -1 for none) for each query: float32 [queries]."""
        queries = _Queries(texts, Vocabulary(self.settings, self._terms))
        scores = np.zeros(len(texts), np.float32)
        for shard in self._shards:
            wanted = rows - shard.first_row
            wanted = np.where((wanted < 0) | (wanted >= shard.documents), -1, wanted)
            starts, stops, dense_rows = queries.postings(shard)
            kernels.score_pairs(
                shard.rows, shard.values, shard.dense, starts, stops, dense_rows,
                queries.weights, queries.ends, wanted, scores,
            )  # fmt: skip
        return scores

    def _search(
        self, texts: Sequence[str], k: int, room: int, pool: ThreadPoolExecutor
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        queries = _Queries(texts, Vocabulary(self.settings, self._terms))
        keys = np.empty((len(texts), room), np.uint64)
        counts, floors = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int32)
        # Only okapi has terms of negative weight.
        positive = self.settings.method != "okapi"
        slices = list(_slices(queries.ends, self.threads))
        for shard in self._shards:
            starts, stops, dense_rows = queries.postings(shard)

            def offer(part: slice, shard: Shard = shard, places: _Places = (starts, stops, dense_rows)) -> None:
                starts, stops, dense_rows = places
                terms = slice(int(queries.ends[part.start - 1]) if part.start else 0, int(queries.ends[part.stop - 1]))
                kernels.search(
                    shard.rows, shard.values, shard.dense, shard.documents, shard.first_row, starts[terms], stops[terms],
                    dense_rows[terms], queries.weights[terms], queries.ends[part] - terms.start, k, keys[part],
                    counts[part], floors[part], positive,
                )  # fmt: skip

            list(pool.map(offer, slices))
            if len(self._shards) > 1:
                _let_go(shard)
        ids, scores = np.full((len(texts), k), -1, np.int32), np.zeros((len(texts), k), np.float32)
        list(pool.map(lambda part: kernels.finish(keys[part], counts[part], ids[part], scores[part]), slices))
        return ids, scores


def save_terms(folder: Path, terms: WordTable) -> None:
    """Write the terms of an index into its folder."""
    arrays: tuple[NDArray[Any], ...] = terms.arrays()
    for name, array in zip(_TERM_ARRAYS, arrays, strict=True):
        np.save(folder / f"terms.{name}.npy", array)


def save_shard(folder: Path, number: int, shard: Shard) -> None:
    """Write a shard into the folder of its index."""
    for name in _SHARD_ARRAYS:
        np.save(folder / f"{number:05}.{name}.npy", getattr(shard, name))


def load_shard(folder: Path, number: int, first_row: int, *, writable: bool = False) -> Shard:
    """A shard from its files, memory-mapped. Changes reach the files only if `writable`."""
    mode: Literal["c", "r+"] = "r+" if writable else "c"
    return Shard(first_row, *(_load(folder / f"{number:05}.{name}.npy", mode) for name in _SHARD_ARRAYS))


def load_index(folder: Path, settings: BM25Settings, threads: int) -> Index:
    """An index from its folder, memory-mapped."""
    terms = WordTable.of(*(_load(folder / f"terms.{name}.npy", "c") for name in _TERM_ARRAYS))
    shards: list[Shard] = []
    first_row = 0
    for number in range(len(list(folder.glob("*.rows.npy")))):
        shards.append(load_shard(folder, number, first_row))
        first_row += shards[-1].documents
    return Index(settings, terms, shards, threads, lambda: load_ids(folder / "document_ids.arrow"))


def _load(path: Path, mode: Literal["c", "r+"]) -> Any:
    # "c", copy on write: the kernels take writable arrays. An empty array can't be mapped.
    array = np.load(path, mmap_mode=mode)
    return np.asarray(array) if array.size else np.zeros(array.shape, array.dtype)


def _let_go(shard: Shard) -> None:
    """Unmap a shard's pages from this process (they stay in the page cache), so that memory is one shard's."""
    for array in (shard.rows, shard.values, shard.dense):
        mapped = getattr(array.base, "_mmap", None)  # numpy has no other door to it
        if mapped is not None:
            mapped.madvise(mmap.MADV_DONTNEED)


def _slices(ends: NDArray[np.int64], threads: int) -> Iterator[slice]:
    size = max(1, min(256, -(-len(ends) // threads)))
    for first in range(0, len(ends), size):
        yield slice(first, min(first + size, len(ends)))
