"""From a word as it stands in a text to the terms that are indexed: Unicode, stop words, stemming.

The tokeniser's machine code splits at ASCII only and keeps a run with other characters in one piece; each distinct run
comes through here. `analyze` is the whole definition in plain Python, which the machine code must equal.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence

from hnhub.bm25.settings import BM25Settings

__all__ = ["STOP_WORDS", "analyze", "expand"]

_STOP_WORDS = """
a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was
will with
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Lucene's EnglishAnalyzer.ENGLISH_STOP_WORDS_SET."""

# One token a character, as UAX #29 has it for scripts without spaces: Han and Hiragana.
_SINGLE = "\u2e80-\u2fdf\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Shown as nothing, so nothing to a reader's eye: soft hyphen, joiners, direction marks, byte order mark.
_INVISIBLE = re.compile("[\u00ad\u200c-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_LATIN_ACCENTS = re.compile("(?<=[a-z])[\u0300-\u036f]+")
# Latin letters that Unicode does not take apart.
_LATIN_LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ŧ": "t", "þ": "th", "’": "'"}
)


def analyze(text: str, settings: BM25Settings) -> list[str]:
    """The terms of a text, in order."""
    return [term for terms in expand(_words(text), settings) for term in terms]


def expand(words: Sequence[str], settings: BM25Settings) -> list[list[str]]:
    """The terms that each word stands for: mostly one, none for a stop word, several for a run of Chinese."""
    pieces = [[word] if word.isascii() else _words(word) for word in words]
    kept = [[piece for piece in map(_plain(settings), word) if piece] for word in pieces]
    if settings.stemmer is None:
        return kept
    stems = iter(_stemmer(settings.stemmer)([piece for word in kept for piece in word]))
    return [[next(stems) for _ in word] for word in kept]


def _words(text: str) -> list[str]:
    return _pattern().findall(_fold(text))


def _fold(text: str) -> str:
    """Compatibility forms, case and Latin accents folded away; other scripts' marks are part of their letters."""
    if text.isascii():
        return text.lower()
    text = _INVISIBLE.sub("", text)
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = unicodedata.normalize("NFD", text.translate(_LATIN_LETTERS))
    return unicodedata.normalize("NFC", _LATIN_ACCENTS.sub("", text))


@functools.cache
def _pattern() -> re.Pattern[str]:
    """A word: letters, marks, digits and underscores; ' and . between letters, . and , between digits (UAX #29)."""
    marks = [code for code in range(0x300, 0x1F000) if unicodedata.category(chr(code)) in ("Mn", "Mc")]
    mark = "".join(map(chr, marks))
    letter = rf"[^\W\d_]|[{mark}]"
    inside = rf"(?<={letter})['.](?={letter})|(?<=\d)[.,](?=\d)"
    return re.compile(rf"[{_SINGLE}]|\w(?:(?![{_SINGLE}])[\w{mark}]|{inside})*")


def _plain(settings: BM25Settings) -> Callable[[str], str]:
    stop_words = STOP_WORDS if settings.stop_words else frozenset()
    possessive = settings.stemmer is not None

    def plain(word: str) -> str:
        if possessive and word.endswith("'s"):
            word = word[:-2]
        if word in stop_words or word.strip("_") == "":
            return ""
        return word

    return plain


@functools.cache
def _stemmer(name: str) -> Callable[[list[str]], list[str]]:
    import Stemmer

    # No cache of its own: every distinct word comes here once.
    stemmer: Callable[[list[str]], list[str]] = Stemmer.Stemmer(name, 0).stemWords
    return stemmer
