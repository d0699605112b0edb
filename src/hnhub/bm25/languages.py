"""What analysis there is for a language: Snowball's stemmers and stop words. Where there is none, none is used."""

import functools
from collections.abc import Mapping
from importlib import resources

__all__ = ["STEMMERS", "STOP_WORDS", "stemmer_of", "stop_words", "stop_words_of"]

STEMMERS: Mapping[str, str] = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "porter",
    "eo": "esperanto",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "st": "sesotho",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""Language (ISO 639-1) -> its stemmer, as PyStemmer calls it."""

STOP_WORDS = (
    "danish", "dutch", "english", "finnish", "french", "german", "hungarian", "italian", "norwegian", "portuguese",
    "russian", "spanish", "swedish",
)  # fmt: skip
"""The lists that there are, by the language's English name; English is Lucene's, the others are Snowball's."""

_LUCENE = """
a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was
will with
"""
# EnglishAnalyzer.ENGLISH_STOP_WORDS_SET.


def stemmer_of(language: str | None) -> str | None:
    """The stemmer of a language (ISO 639-1); None if it has none."""
    return STEMMERS.get(language or "")


def stop_words_of(language: str | None) -> str | None:
    """The name of a language's stop words; None if it has none."""
    name = "english" if language == "en" else stemmer_of(language)
    return name if name in STOP_WORDS else None


@functools.cache
def stop_words(name: str) -> frozenset[str]:
    """The list of that name, as it is written."""
    if name == "english":
        return frozenset(_LUCENE.split())
    text = (resources.files("hnhub.bm25") / "stop_words" / f"{name}.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))
