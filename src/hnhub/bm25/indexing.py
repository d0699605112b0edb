"""From texts to shards of scored postings, in memory that does not grow with the corpus.

Chunks of texts are split into words by several threads; their words are numbered in the order of chunks, so that
threads leave no trace. A shard is written when it has enough postings, with frequencies instead of scores. When all
texts were seen, document frequencies and the average length are known, and the frequencies become scores in place.
So a posting's score is the same whatever shard it is in.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hnhub.bm25 import kernels
from hnhub.bm25.vocabulary import Terms, Tokens, Vocabulary, WordTable, read_words
from hnhub.records import BM25Settings

__all__ = ["SHARD_POSTINGS", "Chunk", "Shard", "index_chunks"]

SHARD_POSTINGS = 1 << 24
"""128 MiB of postings."""
_DENSE = 4
"""A term is dense in a shard if one in this many documents has it."""

Chunk = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Texts as UTF-8 bytes, and where each starts and ends."""


@dataclass(frozen=True)
class Shard:
    """Postings of a range of documents (layout: `_bm25_kernels`)."""

    first_row: int
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    values: NDArray[np.float32]
    dense_terms: NDArray[np.int32]
    dense: NDArray[np.float32]
    lengths: NDArray[np.int32]

    @property
    def documents(self) -> int:
        """How many documents the shard covers."""
        return len(self.lengths)


@dataclass(frozen=True)
class _Counted:
    """A chunk's postings by document: document i has `terms[ends[i - 1]:ends[i]]`."""

    terms: NDArray[np.int32]
    counts: NDArray[np.uint16]
    ends: NDArray[np.int64]
    lengths: NDArray[np.int32]


def index_chunks(
    chunks: Iterable[Chunk],
    settings: BM25Settings,
    keep: Callable[[int, Shard], Callable[[], Shard]],
    *,
    threads: int,
    shard_postings: int | None = None,
) -> tuple[WordTable, Iterator[Shard]]:
    """Index texts. Returns the terms and the shards; taking a shard turns its frequencies into scores.

    `keep(number, shard)` puts a shard away and returns how to get it back, its values writable. A shard ends with the
    chunk that brings it to `shard_postings` (None: SHARD_POSTINGS).
    """
    most = shard_postings or SHARD_POSTINGS
    vocabulary = Vocabulary(settings)
    frequencies = np.zeros(0, np.int64)
    stored: list[Callable[[], Shard]] = []
    documents = length = 0
    pending: list[_Counted] = []
    with ThreadPoolExecutor(threads) as pool:

        def flush() -> None:
            nonlocal frequencies, documents
            shard, here = _invert(pending, documents, vocabulary.terms.count)
            here[: len(frequencies)] += frequencies
            frequencies = here
            documents += shard.documents
            pending.clear()
            stored.append(keep(len(stored), shard))

        for counted in _count_all(chunks, vocabulary, pool, threads):
            pending.append(counted)
            length += int(counted.lengths.sum(dtype=np.int64))
            if sum(len(one.terms) for one in pending) >= most:
                flush()
        if pending or not stored:
            flush()
    idf = _inverse_document_frequencies(frequencies, documents, settings)
    average = length / documents if length else 1.0
    return vocabulary.terms, _weigh_all(stored, idf, average, settings, threads)


def _inverse_document_frequencies(
    frequencies: NDArray[np.int64], documents: int, settings: BM25Settings
) -> NDArray[np.float32]:
    """The idf of each term: Lucene's, rank-bm25's for okapi, the papers' for bm25+ and bm25l (docs/bm25.md)."""
    df, n = frequencies.astype(np.float64), float(documents)
    if settings.method == "lucene":
        idf = np.log(1 + (n - df + 0.5) / (df + 0.5))
    elif settings.method == "bm25+":
        idf = np.log((n + 1) / df)
    elif settings.method == "bm25l":
        idf = np.log((n + 1) / (df + 0.5))
    else:
        idf = np.log(n - df + 0.5) - np.log(df + 0.5)
        # A term in more than half of the documents: a quarter of the average, as rank-bm25 does.
        idf[idf < 0] = 0.25 * math.fsum(idf) / max(len(idf), 1)
    return idf.astype(np.float32)


def _count_all(
    chunks: Iterable[Chunk], vocabulary: Vocabulary, pool: ThreadPoolExecutor, threads: int
) -> Iterator[_Counted]:
    """Chunks counted, in order: words are split ahead, their numbers given one chunk after the other."""
    reading: deque[Future[Tokens]] = deque()
    counting: deque[Future[_Counted]] = deque()

    def translate() -> None:
        tokens = reading.popleft().result()
        terms = vocabulary.translate(tokens.words)
        counting.append(pool.submit(_count, tokens, terms, vocabulary.terms.count))

    for data, offsets in chunks:
        reading.append(pool.submit(read_words, data, offsets))
        if len(reading) > threads:
            translate()
        if len(counting) > threads:
            yield counting.popleft().result()
    while reading:
        translate()
    while counting:
        yield counting.popleft().result()


def _count(tokens: Tokens, terms: Terms, known: int) -> _Counted:
    most = terms.room(tokens.tokens)
    out_terms, out_counts = np.empty(most, np.int32), np.empty(most, np.uint16)
    out_ends, lengths = np.empty(len(tokens.ends), np.int64), np.empty(len(tokens.ends), np.int32)
    last = np.full(known, -1, np.int32)
    written = kernels.count_terms(
        tokens.tokens, tokens.ends, terms.starts, terms.terms, last, out_terms, out_counts, out_ends, lengths
    )
    return _Counted(out_terms[:written].copy(), out_counts[:written].copy(), out_ends, lengths)


def _invert(chunks: list[_Counted], first_row: int, known: int) -> tuple[Shard, NDArray[np.int64]]:
    """A shard of chunks, its values being frequencies, and in how many of its documents each term is."""
    lengths = np.concatenate([chunk.lengths for chunk in chunks]) if chunks else np.zeros(0, np.int32)
    frequencies = np.zeros(known, np.int64)
    for chunk in chunks:
        frequencies += np.bincount(chunk.terms, minlength=known)
    dense_terms = np.flatnonzero(frequencies * _DENSE >= max(len(lengths), 1)).astype(np.int32)
    dense_rows = np.full(known, -1, np.int32)
    dense_rows[dense_terms] = np.arange(len(dense_terms), dtype=np.int32)
    starts = np.zeros(known + 1, np.int64)
    np.cumsum(np.where(dense_rows < 0, frequencies, 0), out=starts[1:])
    rows, values = np.empty(int(starts[-1]), np.int32), np.empty(int(starts[-1]), np.float32)
    dense = np.zeros((len(dense_terms), len(lengths)), np.float32)
    cursors = starts[:-1].copy()
    row = 0
    while chunks:
        chunk = chunks.pop(0)  # lets go of its memory
        kernels.invert(chunk.terms, chunk.counts, chunk.ends, row, cursors, dense_rows, rows, values, dense)
        row += len(chunk.lengths)
    return Shard(first_row, starts, rows, values, dense_terms, dense, lengths), frequencies


def _weigh_all(
    stored: list[Callable[[], Shard]], idf: NDArray[np.float32], average: float, settings: BM25Settings, threads: int
) -> Iterator[Shard]:
    with ThreadPoolExecutor(threads) as pool:
        # A few at a time: each is memory until the caller lets go of it.
        for first in range(0, len(stored), threads):
            yield from pool.map(lambda load: _weigh(load(), idf, average, settings), stored[first : first + threads])


def _weigh(shard: Shard, idf: NDArray[np.float32], average: float, settings: BM25Settings) -> Shard:
    norms = 1 - settings.b + settings.b * shard.lengths / average
    norms[norms == 0] = 1.0  # an empty document at b = 1: it has no postings
    factor = 1.0 if settings.method == "lucene" else settings.k1 + 1
    shift = settings.effective_delta if settings.method == "bm25l" else 0.0
    delta = settings.effective_delta if settings.method == "bm25+" else 0.0
    kernels.weigh(
        shard.starts, shard.rows, shard.values, shard.dense, shard.dense_terms,
        idf, norms, settings.k1, factor, shift, delta,
    )  # fmt: skip
    return shard
