"""Bytes to words to numbers: the tokeniser and the hash table of words, as machine code.

A table of words is three arrays. `pool` (uint8) holds the words' bytes one after the other, `starts` (int64) where each
begins, and `slots` (uint64, two a slot, open addressing) a word's key and its number plus one. The key of a word of up
to 8 bytes is the bytes themselves; a longer word's is a hash with the top bit set, and then the bytes are compared too.
"""

# numba's types stand in the signatures; a kernel's arguments are its arrays.
# ruff: noqa: PLR0917
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False

import numpy as np
from numpy.typing import NDArray

from hnhub.bm25.jit import compiled

__all__ = ["BYTES", "intern", "rehash", "tokenize"]


def _byte_table() -> NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    for byte in range(256):
        if byte >= 0x80 or chr(byte).isalnum() or byte == ord("_"):
            table[byte] = ord(chr(byte).lower()) if byte < 0x80 else byte
    table[[ord(mark) for mark in "'.,"]] = 1
    return table


BYTES = _byte_table()
"""What a byte becomes in a word: itself in lower case; 0 for one between words; 1 for one that may stand inside."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_LONG = np.uint64(1 << 63)
# What comes out of Arrow can't be written to.
_BYTES = "Array(uint8, 1, 'C', readonly=True)"
_OFFSETS = "Array(int64, 1, 'C', readonly=True)"
_0, _1, _8 = np.uint64(0), np.uint64(1), np.uint64(8)


@compiled()
def _long_key(pool, start, stop):
    hashed = _0
    for i in range(start, stop):
        hashed = (hashed ^ np.uint64(pool[i])) * _MULTIPLIER
        hashed ^= hashed >> np.uint64(29)
    return hashed | _LONG


@compiled()
def _find(slots, pool, starts, key, word_pool, start, length):
    """The slot (even index) of a word: its own, or the free one where it belongs."""
    mask = np.uint64(slots.size // 2 - 1)
    hashed = key * _MULTIPLIER
    at = (hashed ^ (hashed >> np.uint64(32))) & mask
    while True:
        slot = np.int64(at) * 2
        number = np.int64(slots[slot + 1]) - 1
        if number < 0:
            return slot
        if slots[slot] == key:
            if key < _LONG:
                return slot
            if starts[number + 1] - starts[number] == length:
                same = True
                for i in range(length):
                    if pool[starts[number] + i] != word_pool[start + i]:
                        same = False
                        break
                if same:
                    return slot
        at = (at + _1) & mask


@compiled("int64(uint64[::1], uint64[::1])")
def rehash(old, new):
    """Move every word of `old` slots into the (zeroed, larger) `new` ones."""
    mask = np.uint64(new.size // 2 - 1)
    for slot in range(0, old.size, 2):
        if old[slot + 1] != _0:
            hashed = old[slot] * _MULTIPLIER
            at = (hashed ^ (hashed >> np.uint64(32))) & mask
            while new[np.int64(at) * 2 + 1] != _0:
                at = (at + _1) & mask
            new[np.int64(at) * 2] = old[slot]
            new[np.int64(at) * 2 + 1] = old[slot + 1]
    return 0


@compiled(f"int64(uint64[::1], uint8[::1], int64[::1], int64, {_BYTES}, {_OFFSETS}, int32[::1], int64)")
def intern(slots, pool, starts, count, words, word_starts, numbers, room):
    """Write each word's number in the table into `numbers`; a new one is added up to `room` words. Returns the count.

    A word that is neither there nor added is -1. Up to `room`, the table must have a slot in two free and space in
    `pool` and `starts`.
    """
    for i in range(numbers.size):
        start, stop = word_starts[i], word_starts[i + 1]
        if stop - start <= 8:
            key = _0
            for j in range(start, stop):
                key = (key << _8) | np.uint64(words[j])
        else:
            key = _long_key(words, start, stop)
        slot = _find(slots, pool, starts, key, words, start, stop - start)
        if slots[slot + 1] == _0 and count < room:
            slots[slot] = key
            end = starts[count]
            for j in range(stop - start):
                pool[end + j] = words[start + j]
            count += 1
            starts[count] = end + stop - start
            slots[slot + 1] = np.uint64(count)
        numbers[i] = np.int32(np.int64(slots[slot + 1]) - 1)
    return count


@compiled()
def _joins(mark, before, after):
    """Whether a mark stands inside a word (UAX #29, WB6-7 and WB11-12); beside non-ASCII bytes Python decides later."""
    if before >= 0x80 or after >= 0x80:
        return True
    digit_before, digit_after = 48 <= before <= 57, 48 <= after <= 57
    if digit_before and digit_after:
        return mark != 39  # not '
    letter_before, letter_after = 97 <= before <= 122, 97 <= after <= 122
    return letter_before and letter_after and mark != 44  # not ,


@compiled()
def _only_underscores(pool, start, length):
    at = start
    while at < start + length and pool[at] == 95:
        at += 1
    return at == start + length


@compiled(
    f"UniTuple(int64, 3)({_BYTES}, {_OFFSETS}, uint8[::1], uint64[::1], uint8[::1], int64[::1],"
    " int32[::1], int64[::1], int64, int64, int64)"
)
def tokenize(data, offsets, table, slots, pool, starts, tokens, ends, text, count, written):
    """Split texts into words, number the words by first appearance.

    `data[offsets[i]:offsets[i + 1]]` is text i. Appends the words' numbers to `tokens`, and where text i ends in it to
    `ends[i]`. Returns (next text, words in the table, tokens written): it stops before a text for which the table might
    get too full; call it again from there with larger slots.
    """
    room = slots.size // 4
    while text < ends.size:
        at, stop = offsets[text], offsets[text + 1]
        if count + (stop - at) // 2 + 1 > room:
            break
        tail = starts[count]
        length = 0
        key = _0
        while at <= stop:
            byte = np.uint8(0)
            if at < stop:
                byte = table[data[at]]
                if byte == 1:
                    inside = length > 0 and at + 1 < stop and table[data[at + 1]] > 1
                    if inside and _joins(data[at], pool[tail + length - 1], table[data[at + 1]]):
                        byte = data[at]
                    else:
                        byte = np.uint8(0)
            at += 1
            if byte != 0:
                pool[tail + length] = byte
                length += 1
                key = (key << _8) | np.uint64(byte)
            elif length > 0:
                if pool[tail] == 95 and _only_underscores(pool, tail, length):
                    length = 0
                    key = _0
                    continue
                if length > 8:
                    key = _long_key(pool, tail, tail + length)
                slot = _find(slots, pool, starts, key, pool, tail, length)
                if slots[slot + 1] == _0:
                    count += 1
                    slots[slot] = key
                    slots[slot + 1] = np.uint64(count)
                    tail += length
                    starts[count] = tail
                tokens[written] = np.int32(np.int64(slots[slot + 1]) - 1)
                written += 1
                length = 0
                key = _0
        ends[text] = written
        text += 1
    return text, count, written
