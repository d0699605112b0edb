"""From a word as it stands in a text to the terms that are indexed: Unicode, stop words, stemming.

The tokeniser's machine code splits at ASCII only and keeps a run with other characters in one piece; each distinct run
comes through here. `analyze` is the whole definition in plain Python, which the machine code must equal.
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from hnhub.bm25.languages import stop_words
from hnhub.records import BM25Settings

__all__ = ["UNSPACED", "analyze", "expand", "fold"]

# Scripts written without spaces, and Hangul, whose particles stick to words: Han, Hiragana, Katakana, Hangul, Thai, Lao, Khmer,
# Burmese. As Lucene's CJKAnalyzer has it, a run's terms are the pairs of neighbouring characters.
UNSPACED = (
    (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3041, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
    (0xF900, 0xFAFF), (0x20000, 0x3FFFD), (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF),
)  # fmt: skip
_FIRST_UNSPACED = "\u0e00"
_ENGLISH = ("porter", "english")
_ELIDING = ("catalan", "french", "italian")
# Shown as nothing, so nothing to a reader's eye: soft hyphen, joiners, direction marks, byte order mark.
_INVISIBLE = re.compile("[\u00ad\u200c-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_LATIN_ACCENTS = re.compile("(?<=[a-z])[\u0300-\u036f]+")
# Latin letters that Unicode does not take apart.
_LATIN_LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ŧ": "t", "þ": "th"}
)


def analyze(text: str, settings: BM25Settings) -> list[str]:
    """The terms of a text, in order."""
    return [term for terms in expand(_words(text, settings), settings) for term in terms]


def expand(words: Sequence[str], settings: BM25Settings) -> list[list[str]]:
    """The terms that each word stands for: mostly one, none for a stop word, several for a run of Chinese or Thai."""
    # Folded together: a line break stays one, and nothing composes with it.
    others = iter(_folded("\n".join(word for word in words if not word.isascii()), settings).split("\n"))
    pieces = [[word] if word.isascii() else _cut(next(others)) for word in words]
    plain = _plain(settings)
    kept = [[piece for piece in map(plain, word) if piece] for word in pieces]
    if settings.stemmer is None:
        return kept
    stems: Iterator[str] = iter(_stemmer(settings.stemmer)([piece for word in kept for piece in word]))
    if settings.stemmer not in _ENGLISH:  # whose suffixes have accents
        stems = map(_without_accents, stems)
    return [[next(stems) for _ in word] for word in kept]


def _words(text: str, settings: BM25Settings) -> list[str]:
    return _cut(_folded(text, settings))


def _folded(text: str, settings: BM25Settings) -> str:
    text = fold(text)
    return _without_accents(text) if settings.stemmer is None or settings.stemmer in _ENGLISH else text


def _cut(text: str) -> list[str]:
    """The words of a folded text, runs without spaces as pairs."""
    if text.isalpha() and max(text) < _FIRST_UNSPACED:
        return [text]
    word, character = _patterns()
    found: list[str] = []
    for match in word.finditer(text):
        run = character.findall(match[1]) if match[1] else [match[0]]
        found += map("".join, itertools.pairwise(run)) if len(run) > 1 else run
    return found


def fold(text: str) -> str:
    """Compatibility forms and case folded away."""
    if text.isascii():
        return text.lower()
    text = _INVISIBLE.sub("", text).replace("’", "'")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _without_accents(text: str) -> str:
    """Latin accents folded away; other scripts' marks are part of their letters."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFD", text.translate(_LATIN_LETTERS))
    return unicodedata.normalize("NFC", _LATIN_ACCENTS.sub("", text))


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A word, or (as its group) a run without spaces; and one character of that with its marks.

    A word: letters, marks, digits and underscores; ' and . between letters, . and , between digits (UAX #29).
    """
    marks = "".join(chr(code) for code in range(0x300, 0x1F000) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
    shown = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED)
    unspaced = rf"(?![{marks}]|[\W_])[{shown}]"
    letter = rf"[^\W\d_]|[{marks}]"
    inside = rf"(?<={letter})['.](?!{unspaced})(?={letter})|(?<=\d)[.,](?=\d)"
    character = rf"{unspaced}[{marks}]*"
    return (
        re.compile(rf"((?:{character})+)|\w(?:(?!{unspaced})[\w{marks}]|{inside})*"),
        re.compile(character),
    )


@functools.cache
def _plain(settings: BM25Settings) -> Callable[[str], str]:
    listed = stop_words(settings.stop_words) if settings.stop_words else frozenset[str]()
    # Folded as texts are: with accents only where the stemmer wants them.
    unwanted = {word for text in listed for word in (text, *_words(text, settings))}
    possessive, eliding = settings.stemmer in _ENGLISH, settings.stemmer in _ELIDING

    def plain(word: str) -> str:
        if possessive and word.endswith("'s"):
            word = word[:-2]
        if eliding and word not in unwanted:
            word = word[word.rfind("'") + 1 :]
        if word in unwanted or word.strip("_") == "":
            return ""
        return word

    return plain


@functools.cache
def _stemmer(name: str) -> Callable[[list[str]], list[str]]:
    import Stemmer

    # No cache of its own: every distinct word comes here once.
    stemmer: Callable[[list[str]], list[str]] = Stemmer.Stemmer(name, 0).stemWords
    return stemmer
