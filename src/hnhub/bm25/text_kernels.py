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
from hnhub.bm25.unspaced import AM, LETTER, MARK, SEPARATOR, STOP

__all__ = ["BYTES", "intern", "rehash", "tokenize", "unspaced_terms"]


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


@compiled()
def _wide(data, at):
    """The character of three bytes that begins here."""
    return (np.int64(data[at] & 0x0F) << 12) | (np.int64(data[at + 1] & 0x3F) << 6) | np.int64(data[at + 2] & 0x3F)


@compiled()
def _decode(data, at, stop):
    """The character at a byte and how many bytes it has: (0, 1) for all but those of three bytes."""
    if data[at] & 0xF0 == 0xE0 and at + 2 < stop and data[at + 1] & 0xC0 == 0x80 and data[at + 2] & 0xC0 == 0x80:
        return _wide(data, at), 3
    return 0, 1


@compiled()
def _add(slots, pool, starts, count, key, length, tokens, written):
    """Append the word that lies behind the table's last one to the tokens, to the table too if it is new.

    `key` is that of a short word. Returns (words in the table, tokens written).
    """
    tail = starts[count]
    if length > 8:
        key = _long_key(pool, tail, tail + length)
    slot = _find(slots, pool, starts, key, pool, tail, length)
    if slots[slot + 1] == _0:
        count += 1
        slots[slot] = key
        slots[slot + 1] = np.uint64(count)
        starts[count] = tail + length
    tokens[written] = np.int32(np.int64(slots[slot + 1]) - 1)
    return count, written + 1


@compiled()
def _enter(slots, pool, starts, count, words, start, stop, tokens, written):
    """`_add` for a word that lies elsewhere."""
    length = stop - start
    key = _0
    if length > 8:
        key = _long_key(words, start, stop)
    else:
        for i in range(start, stop):
            key = (key << _8) | np.uint64(words[i])
    slot = _find(slots, pool, starts, key, words, start, length)
    if slots[slot + 1] == _0:
        tail = starts[count]
        for i in range(length):
            pool[tail + i] = words[start + i]
        count += 1
        slots[slot] = key
        slots[slot + 1] = np.uint64(count)
        starts[count] = tail + length
    tokens[written] = np.int32(np.int64(slots[slot + 1]) - 1)
    return count, written + 1


@compiled()
def _stretch(data, at, stop, kinds):
    """What reaches to the next separator: (its end, whether machine code knows how to cut it, whether there is an AM in it)."""
    plain, widens = True, False
    before = SEPARATOR  # then 0 after ASCII, or the kind of the character before
    while at < stop:
        if data[at] < 0x80:
            before, at = 0, at + 1
            continue
        code, size = _decode(data, at, stop)
        kind = int(kinds[code])
        if kind == SEPARATOR:
            break
        # A mark that joins words, one that belongs to no letter, one that Unicode would put elsewhere.
        if (
            kind == 0
            or (kind == STOP and before == 0)
            or (kind >= AM and before <= STOP)
            or (kind > MARK and before > kind)
        ):
            plain = False
        widens |= kind == AM
        before, at = kind, at + size
    return at, plain, widens


@compiled()
def _widen(data, at, stop, kinds, wide):
    """Write a stretch with each AM as a mark and a letter: U+0E33 is U+0E4D and U+0E32, U+0EB3 is U+0ECD and U+0EB2."""
    written = 0
    while at < stop:
        code, size = _decode(data, at, stop)
        if data[at] >= 0x80 and kinds[code] == AM:
            for part in (code + 0x1A, code - 1):
                wide[written], wide[written + 1] = 0xE0, 0x80 | ((part >> 6) & 0x3F)
                wide[written + 2] = 0x80 | (part & 0x3F)
                written += 3
        else:
            for i in range(size):
                wide[written + i] = data[at + i]
            written += size
        at += size
    return written


@compiled()
def _cut(slots, pool, starts, count, data, at, stop, kinds, tokens, written):
    """Append what a plain stretch consists of: ASCII words, and the pairs of neighbouring letters of scripts without spaces.

    All its characters beyond ASCII have three bytes.
    """
    while at < stop:
        begin, tail = at, starts[count]
        key = _0
        while at < stop and data[at] < 0x80:
            byte = BYTES[data[at]]
            pool[tail + at - begin] = byte if byte > 1 else data[at]
            key = (key << _8) | np.uint64(pool[tail + at - begin])
            at += 1
        if at > begin and not _only_underscores(pool, tail, at - begin):
            count, written = _add(slots, pool, starts, count, key, at - begin, tokens, written)
        letters = before = last = 0
        stopped = False
        while at < stop and data[at] >= 0x80 and not stopped:
            kind = kinds[_wide(data, at)]
            if kind == STOP:
                stopped = True
            elif kind == LETTER:
                if letters > 1:
                    count, written = _enter(slots, pool, starts, count, data, before, at, tokens, written)
                before, last = last, at
                letters += 1
            at += 3
        if letters > 0:
            first, end = before if letters > 1 else last, at - 3 if stopped else at
            count, written = _enter(slots, pool, starts, count, data, first, end, tokens, written)
    return count, written


@compiled()
def _run_end(data, at, stop, table):
    """Where a run that has a character of three bytes here ends."""
    while at < stop:
        byte = table[data[at]]
        if byte <= 1:
            if byte == 0 or at + 1 == stop:
                break
            after = table[data[at + 1]]
            if after <= 1 or not _joins(data[at], table[data[at - 1]], after):
                break
        at += 1
    return at


@compiled()
def _has_mark_beside(data, at, stop):
    """Whether an ASCII mark stands beside a character beyond ASCII, where only Python knows whether it joins them."""
    found = False
    for i in range(at + 1, stop - 1):
        found |= data[i] < 0x2F and (data[i - 1] >= 0x80 or data[i + 1] >= 0x80)  # in a run only ' , and . are below
    return found


@compiled()
def _split(slots, pool, starts, count, data, at, stop, kinds, scratch, tokens, written):
    """Append the words of a run with characters of three bytes; a stretch of it that only Python can cut stays one word."""
    whole = _has_mark_beside(data, at, stop)
    while at < stop:
        end, plain, widens = _stretch(data, at, stop, kinds)
        if whole:
            end, plain = stop, False
        if plain and widens:
            size = _widen(data, at, end, kinds, scratch)
            count, written = _cut(slots, pool, starts, count, scratch, 0, size, kinds, tokens, written)
        elif plain:
            count, written = _cut(slots, pool, starts, count, data, at, end, kinds, tokens, written)
        elif end > at:
            for i in range(at, end):
                byte = BYTES[data[i]]
                scratch[i - at] = byte if byte > 1 else data[i]
            count, written = _enter(slots, pool, starts, count, scratch, 0, end - at, tokens, written)
        at = end
        if at < stop:  # the separator
            at += _decode(data, at, stop)[1]
    return count, written


@compiled(f"bool_[::1]({_BYTES}, {_OFFSETS}, uint8[::1])")
def unspaced_terms(pool, starts, kinds):
    """Which words are one or two letters of a script without spaces with their marks: those are terms as they stand."""
    found = np.zeros(starts.size - 1, np.bool_)
    for word in range(found.size):
        at, stop = starts[word], starts[word + 1]
        if pool[at] < 0xE0:
            continue
        end, plain, _ = _stretch(pool, at, stop, kinds)
        plain &= end == stop
        letters = 0
        while plain and at < stop:
            plain = pool[at] >= 0x80
            if plain:
                kind = kinds[_wide(pool, at)]
                plain = kind == LETTER or kind >= MARK
                letters += kind == LETTER
            at += 3
        found[word] = plain and letters <= 2
    return found


@compiled(
    f"UniTuple(int64, 3)({_BYTES}, {_OFFSETS}, uint8[::1], uint64[::1], uint8[::1], int64[::1],"
    " int32[::1], int64[::1], int64, int64, int64, uint8[::1], uint8[::1])"
)
def tokenize(data, offsets, table, slots, pool, starts, tokens, ends, text, count, written, kinds, scratch):
    """Split texts into words, number the words by first appearance.

    A run with characters beyond ASCII is one word that Python cuts later, but where `kinds` says how (`unspaced.kinds`).
    `scratch` has room for twice the longest text. `data[offsets[i]:offsets[i + 1]]` is text i. Appends the words' numbers to `tokens`, and where text i ends in it to
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
                    joins = inside and _joins(data[at], pool[tail + length - 1], table[data[at + 1]])
                    byte = data[at] if joins else np.uint8(0)
                elif byte >= 0xE0 and kinds[_decode(data, at, stop)[0]] != 0:
                    begin, at = at - length, _run_end(data, at, stop, table)
                    count, written = _split(
                        slots, pool, starts, count, data, begin, at, kinds, scratch, tokens, written
                    )
                    tail = starts[count]
                    length = 0
                    key = _0
                    continue
            at += 1
            if byte != 0:
                pool[tail + length] = byte
                length += 1
                key = (key << _8) | np.uint64(byte)
            elif length > 0:
                if pool[tail] != 95 or not _only_underscores(pool, tail, length):
                    count, written = _add(slots, pool, starts, count, key, length, tokens, written)
                    tail = starts[count]
                length = 0
                key = _0
        ends[text] = written
        text += 1
    return text, count, written
