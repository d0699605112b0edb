"""Words and terms as numbers, and the reading of texts into them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hnhub.bm25 import text_kernels as kernels
from hnhub.bm25.analysis import expand
from hnhub.bm25.unspaced import kinds
from hnhub.records import BM25Settings

__all__ = ["Terms", "Tokens", "Vocabulary", "WordTable", "read_words", "to_arrow"]

_REMEMBERED, _REMEMBERED_BYTES = 1 << 21, 1 << 27
"""Words whose terms are remembered, and their bytes: a corpus without spaces may have a new word in every line."""

_Number = TypeVar("_Number", np.uint8, np.int64)


class WordTable:
    """A growing list of distinct words, numbered by first appearance (layout: `_bm25_text_kernels`)."""

    def __init__(self, size: int = 1 << 12, pool_size: int = 1 << 16) -> None:
        self.count = 0
        self.pool: NDArray[np.uint8] = np.empty(pool_size, np.uint8)
        self.starts: NDArray[np.int64] = np.zeros(size // 2 + 2, np.int64)
        self.slots: NDArray[np.uint64] = np.zeros(2 * size, np.uint64)

    @classmethod
    def of(cls, pool: NDArray[np.uint8], starts: NDArray[np.int64], slots: NDArray[np.uint64]) -> "WordTable":
        """A finished table from its arrays (which may be memory-mapped)."""
        table = cls.__new__(cls)
        table.count, table.pool, table.starts, table.slots = len(starts) - 1, pool, starts, slots
        return table

    def add(self, words: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.int32]:
        """The numbers of words (bytes and where each starts and ends), new ones added."""
        self.make_room(len(starts) - 1, int(starts[-1] - starts[0]))
        return self._intern(words, starts, self.count + len(starts) - 1)

    def find(self, words: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.int32]:
        """The numbers of words, -1 for one that is not in the table."""
        return self._intern(words, starts, 0)

    def make_room(self, words: int, size: int) -> None:
        """Grow for this many more words of this many bytes together."""
        used = int(self.starts[self.count])
        if used + size > len(self.pool):
            self.pool = _grown(self.pool, used, max(2 * len(self.pool), used + size))
        slots = len(self.slots)
        while 4 * (self.count + words) > slots:
            slots *= 2
        if slots > len(self.slots):
            larger = np.zeros(slots, np.uint64)
            kernels.rehash(self.slots, larger)
            self.slots = larger
        if self.count + words + 1 > len(self.starts):
            self.starts = _grown(self.starts, self.count + 1, len(self.slots) // 4 + 2)

    def arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint64]]:
        """Pool, starts and slots, without unused ends."""
        return self.pool[: int(self.starts[self.count])], self.starts[: self.count + 1], self.slots

    def _intern(self, words: NDArray[np.uint8], starts: NDArray[np.int64], room: int) -> NDArray[np.int32]:
        numbers = np.empty(len(starts) - 1, np.int32)
        self.count = kernels.intern(self.slots, self.pool, self.starts, self.count, words, starts, numbers, room)
        return numbers


@dataclass(frozen=True)
class Tokens:
    """Texts as numbers of distinct words: text i is `tokens[ends[i - 1]:ends[i]]`."""

    words: WordTable
    tokens: NDArray[np.int32]
    ends: NDArray[np.int64]


@dataclass(frozen=True)
class Terms:
    """What words stand for: word i is the terms `terms[starts[i]:starts[i + 1]]`, -1 being one that is not indexed."""

    starts: NDArray[np.int64]
    terms: NDArray[np.int32]

    def of(self, words: NDArray[np.int32]) -> "Terms":
        """What these words stand for, in their order."""
        counts = np.diff(self.starts)[words]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return Terms(starts, self.terms[np.arange(starts[-1]) + np.repeat(self.starts[words] - starts[:-1], counts)])

    def room(self, tokens: NDArray[np.int32]) -> int:
        """At least as many terms as these words stand for."""
        lengths = np.diff(self.starts)
        if not len(tokens) or lengths.max() <= 1:
            return len(tokens)
        return int(np.bincount(tokens, minlength=len(lengths)) @ lengths)


class Vocabulary:
    """The terms of an index. What words stand for is remembered, so that each is folded and stemmed once."""

    def __init__(self, settings: BM25Settings, terms: WordTable | None = None) -> None:
        self.settings = settings
        self.terms = terms or WordTable()
        self._fixed = terms is not None
        self._forget()

    def _forget(self) -> None:
        self._words = WordTable()
        self._known = Terms(np.zeros(1, np.int64), np.empty(0, np.int32))

    def translate(self, words: WordTable) -> Terms:
        """The terms of a chunk's words. New terms are added in the order of words, unless the index is finished."""
        pool, starts, _ = words.arrays()
        single = kernels.unspaced_terms(pool, starts, kinds())
        if self.settings.stemmer is None and self.settings.stop_words is None:
            single |= ~_any_high(pool, starts)
        numbers = self._number(*_select(pool, starts, single))
        return _merge(single, numbers, self._remembered(*_select(pool, starts, ~single)))

    def _remembered(self, pool: NDArray[np.uint8], starts: NDArray[np.int64]) -> Terms:
        """The terms of words that Python folds, cuts and stems."""
        if self._words.count > _REMEMBERED or len(self._words.pool) > _REMEMBERED_BYTES:
            self._forget()
        before = self._words.count
        numbers = self._words.add(pool, starts)
        all_words, all_starts, _ = self._words.arrays()
        counts, terms = self._expand(_decode(all_words, all_starts[before:]))
        known = self._known
        ends = known.starts[-1] + np.cumsum(counts)
        self._known = Terms(np.concatenate([known.starts, ends]), np.concatenate([known.terms, terms]))
        return self._known.of(numbers)

    def _expand(self, words: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """How many terms each word stands for, and the terms."""
        expanded = expand(words, self.settings)
        counts = np.fromiter(map(len, expanded), np.int64, len(expanded))
        return counts, self._number(*to_arrow([term for word in expanded for term in word]))

    def _number(self, terms: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.int32]:
        return self.terms.find(terms, starts) if self._fixed else self.terms.add(terms, starts)


def read_words(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Tokens:
    """Split texts (UTF-8 bytes, and where each starts and ends) into words. Releases the GIL."""
    size = int(offsets[-1] - offsets[0])
    # Neither is touched beyond what is written, so the operating system gives no memory for the rest. A letter of three bytes
    # may be in two pairs, and twice as long there.
    table = WordTable(1 << min(17, max(10, (size // 32).bit_length())), 4 * size + 1)
    tokens = np.empty(size // 2 + len(offsets), np.int32)
    ends = np.empty(len(offsets) - 1, np.int64)
    scratch = np.empty(2 * int(np.diff(offsets).max(initial=0)), np.uint8)
    text = written = 0
    while True:
        text, table.count, written = kernels.tokenize(
            data,
            offsets,
            kernels.BYTES,
            table.slots,
            table.pool,
            table.starts,
            tokens,
            ends,
            text,
            table.count,
            written,
            kinds(),
            scratch,
        )
        if text == len(ends):
            return Tokens(table, tokens[:written], ends)
        longest = int(offsets[text + 1] - offsets[text]) // 2 + 1
        table.make_room(max(longest, len(table.slots) // 4), 0)


def to_arrow(texts: Sequence[str] | pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Texts as one run of UTF-8 bytes, and where each starts and ends. Lone surrogates become `?`."""
    if not isinstance(texts, pa.Array):
        try:
            texts = pa.array(texts, pa.large_string())
        except UnicodeEncodeError:
            texts = pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.large_string())
    texts = texts.cast(pa.large_string())
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1] if len(texts) else None
    values = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return values, np.zeros(1, np.int64) if starts is None else starts


def _grown(array: NDArray[_Number], used: int, size: int) -> NDArray[_Number]:
    larger: NDArray[_Number] = np.empty(size, array.dtype)
    larger[:used] = array[:used]
    return larger


def _any_high(pool: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    if len(starts) == 1:
        return np.zeros(0, np.bool_)
    return np.bitwise_or.reduceat(pool, starts[:-1]) >= 0x80


def _select(
    pool: NDArray[np.uint8], starts: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if chosen.all():
        return pool, starts
    lengths = np.diff(starts)
    data = pool[np.repeat(chosen, lengths)]
    return data, np.concatenate([[0], np.cumsum(lengths[chosen])])


def _decode(pool: NDArray[np.uint8], starts: NDArray[np.int64]) -> list[str]:
    data = pool[int(starts[0]) : int(starts[-1])].tobytes()
    bounds = itertools.pairwise((starts - starts[0]).tolist())
    if data.isascii():
        text = data.decode("ascii")
        return [text[start:stop] for start, stop in bounds]
    return [data[start:stop].decode("utf-8", "replace") for start, stop in bounds]


def _merge(single: NDArray[np.bool_], numbers: NDArray[np.int32], others: Terms) -> Terms:
    """Put the words that are one term each and the other ones in the words' order."""
    lengths = np.ones(len(single), np.int64)
    lengths[~single] = np.diff(others.starts)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    merged = np.empty(int(starts[-1]), np.int32)
    from_single = np.repeat(single, lengths)
    merged[from_single] = numbers
    merged[~from_single] = others.terms
    return Terms(starts, merged)
