"""What analysis there is for a language: Snowball's stemmers and stop words. Where there is none, none is used."""

import functools
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from typing import get_args

from hnhub.records import BM25Settings
from hnhub.records.bm25_settings import Stemmer, StopWords

__all__ = ["STEMMERS", "in_language", "stop_words"]

STEMMERS: Mapping[str, Stemmer] = {
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

_LUCENE = """
a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was
will with
"""
# EnglishAnalyzer.ENGLISH_STOP_WORDS_SET.


def in_language(settings: BM25Settings, language: str | None) -> BM25Settings:
    """The settings with what is `auto` as a language (ISO 639-1) has it: None where there is nothing for it."""
    stemmer = STEMMERS.get(language or "")
    name = "english" if language == "en" else stemmer
    words: dict[str | None, StopWords] = {listed: listed for listed in get_args(StopWords)}
    return replace(
        settings,
        stemmer=stemmer if settings.stemmer == "auto" else settings.stemmer,
        stop_words=words.get(name) if settings.stop_words == "auto" else settings.stop_words,
    )


@functools.cache
def stop_words(name: str) -> frozenset[str]:
    """The list of that name, as it is written."""
    if name == "english":
        return frozenset(_LUCENE.split())
    text = (resources.files("hnhub.bm25") / "stop_words" / f"{name}.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))
