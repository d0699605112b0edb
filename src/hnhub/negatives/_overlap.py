"""Which texts share a long run of characters with a query's positives: overlapping chunks, quotations, excerpts."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHARED", "WHOLE", "overlaps"]

SHARED = 200
"""Characters, normalised, in one run: two or three sentences. What holds so much of a positive may hold its answer."""
WHOLE = 40
"""Characters, normalised, of a positive that is shorter than that: a sentence. What holds it whole holds its answer."""

_BLOCK = SHARED // 2
# A run of twice a block's length holds a whole one of the blocks that a text is cut into from its beginning.
_READ = range(0, _BLOCK, 10)
# Characters of a block that are hashed. What seems equal is compared.
_BITS = 16
_SHIFT = np.uint64(64 - _BITS)
# A first look at a hash's highest bits spares most of the others.


def overlaps(keys: Sequence[str], positives: Iterable[str]) -> list[bool]:
    """For each normalised text whether it shares a run of SHARED characters with one of the (normalised) positives.

    Or holds one that is shorter, but has WHOLE characters, from its beginning to its end.
    """
    given = list(positives)
    short = [positive for positive in given if WHOLE <= len(positive) < SHARED]
    found = [any(positive in key for positive in short) for key in keys] if short else [False] * len(keys)
    own = [positive for positive in given if len(positive) >= SHARED]
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    sizes = np.where(lengths >= SHARED, lengths // _BLOCK, 0)  # of each text its blocks, from its beginning
    if not own or not sizes.any():
        return found
    which = np.repeat(np.arange(len(keys)), sizes)
    starts = (np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes, sizes)) * _BLOCK
    before = (np.cumsum(lengths) - lengths)[which]
    blocks = _hashes(_codes("".join(keys)), before + starts)
    here = np.zeros(1 << _BITS, np.bool_)
    for positive in own:
        here[_windows(positive) >> _SHIFT] = True
    maybe = here[blocks >> _SHIFT]
    which, starts, blocks = which[maybe], starts[maybe], blocks[maybe]
    for positive in own if len(blocks) else ():
        windows = _windows(positive)
        place = np.searchsorted(windows, blocks)
        place[place == len(windows)] = 0
        for block in np.flatnonzero(windows[place] == blocks).tolist():
            i = int(which[block])
            found[i] = found[i] or _shares(keys[i], int(starts[block]), positive)
    return found


@lru_cache(1 << 12)
def _windows(key: str) -> NDArray[np.uint64]:
    """The hashes of every block's length of a text, ascending."""
    return np.sort(_hashes(_codes(key), np.arange(len(key) - _BLOCK + 1)))


def _codes(key: str) -> NDArray[np.uint32]:
    return np.frombuffer(key.encode("utf-32-le", "surrogatepass"), np.uint32)


def _hashes(codes: NDArray[np.uint32], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    hashed = np.zeros(len(starts), np.uint64)
    for offset in _READ:
        hashed = (hashed ^ codes[starts + offset]) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    return hashed


def _shares(key: str, at: int, positive: str) -> bool:
    """Whether the block that starts there stands in the positive, within a run that is long enough."""
    block = key[at : at + _BLOCK]
    place = positive.find(block)
    while place >= 0:
        before = _common(key[max(at - SHARED, 0) : at][::-1], positive[max(place - SHARED, 0) : place][::-1])
        after = _common(key[at + _BLOCK :][:SHARED], positive[place + _BLOCK :][:SHARED])
        if before + _BLOCK + after >= SHARED:
            return True
        place = positive.find(block, place + 1)
    return False


def _common(a: str, b: str) -> int:
    """How many characters two texts begin with alike."""
    size = min(len(a), len(b))
    return next((i for i in range(size) if a[i] != b[i]), size)
