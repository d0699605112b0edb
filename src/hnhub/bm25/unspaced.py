"""Which characters of scripts without spaces the tokeniser's machine code may cut by itself, as `analysis` would.

Most of what is written in Chinese, Japanese, Korean or Thai is letters that folding leaves as they are, with plain punctuation
between them. Cut in machine code, they need no Python for each run, and nearly every run is another one.
"""

import functools
import unicodedata

import numpy as np
from numpy.typing import NDArray

from hnhub.bm25.analysis import UNSPACED, fold

__all__ = ["AM", "LETTER", "MARK", "SEPARATOR", "STOP", "kinds"]

SEPARATOR, STOP, LETTER, AM, MARK = 1, 2, 3, 4, 8
"""Kinds of character, those that no mark can follow first; 0 is one that only Python knows about.

SEPARATOR: stands between words, whatever is beside it. STOP: the wide form of a mark that joins some words, none that ends in a
LETTER. LETTER: one of such a script that stays as it is. AM: Thai's or Lao's vowel that folds to a mark and a letter. MARK + n: a
mark that stays with the letter before it, in the order of canonical classes n.
"""

_PUNCTUATION = ((0x2010, 0x205F), (0x3000, 0x303F), (0xFE30, 0xFE4F), (0xFF00, 0xFFEF))


@functools.cache
def kinds() -> NDArray[np.uint8]:
    """The kind of each character of the Basic Multilingual Plane, by its number."""
    found = np.zeros(0x10000, np.uint8)
    for first, last in (*UNSPACED, *_PUNCTUATION):
        for code in range(first, min(last, 0xFFFF) + 1):
            found[code] = _kind(chr(code))
    for code in range(0x10000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):  # what composes with the letter before it
            found[int(parts[1], 16)] = 0
    found[[0x0E33, 0x0EB3]] = AM
    return found


def _kind(character: str) -> int:
    folded = fold(character)
    if folded in {"'", ".", ","}:
        return STOP
    categories = [unicodedata.category(one) for one in folded]
    if not any(category[0] in "LMN" for category in categories) and "_" not in folded and folded:
        return SEPARATOR
    if folded != character:
        return 0
    if categories[0] in {"Mn", "Mc"}:
        return MARK + unicodedata.combining(character)
    return LETTER if any(first <= ord(character) <= last for first, last in UNSPACED) else 0
