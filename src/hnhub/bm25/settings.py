"""What a BM25 index is made from."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from hnhub.bm25.languages import STEMMERS, STOP_WORDS, stemmer_of, stop_words_of
from hnhub.errors import UsageError

__all__ = ["BM25Settings", "Engine", "Method"]

Method = Literal["lucene", "okapi", "bm25+", "bm25l"]
Engine = Literal["hnhub", "bm25s", "rank_bm25"]

_DELTA: Mapping[str, float] = {"bm25+": 1.0, "bm25l": 0.5}
"""The papers' values (Lv and Zhai 2011); the other methods have no delta."""
_LACKING: Mapping[str, str] = {"bm25s": "okapi", "rank_bm25": "lucene"}
"""The method that a reference engine does not have, or has otherwise."""


@dataclass(frozen=True)
class BM25Settings:
    """Formula, parameters and analysis. The defaults are those of Anserini's BEIR runs.

    `method`: the formula (docs/bm25.md). `delta`: None is the paper's value of bm25+ (1.0) or bm25l (0.5).
    `stemmer`: "porter" (Lucene's English analyser), "english" (Porter2), another of Snowball's ("german", ...) or None.
    `stop_words`: "english" (Lucene's 33), another language's (Snowball's) or None. `engine`: "hnhub", or a reference engine that gets the same tokens and keeps everything in memory.
    """

    method: Method = "lucene"
    k1: float = 0.9
    b: float = 0.4
    delta: float | None = None
    stemmer: str | None = "porter"
    stop_words: str | None = "english"
    engine: Engine = "hnhub"

    def __post_init__(self) -> None:
        """Raise UsageError for a value that no index can have."""
        for name, value, allowed in (
            ("method", self.method, get_args(Method)),
            ("stemmer", self.stemmer, (*dict.fromkeys(["porter", "english", *STEMMERS.values()]), None)),
            ("stop_words", self.stop_words, (*STOP_WORDS, None)),
            ("engine", self.engine, get_args(Engine)),
        ):
            if value not in allowed:
                raise UsageError(f"BM25 {name} {value!r} is unknown", do=f"use one of {allowed}")
        if self.delta is not None and self.method not in _DELTA:
            raise UsageError(f"BM25 method {self.method} has no delta", do=f"use one of {tuple(_DELTA)}, or no delta")
        if _LACKING.get(self.engine) == self.method:
            raise UsageError(f"BM25 engine {self.engine} has no {self.method}", do="use another method or engine")
        if not (0 <= self.k1 < math.inf and 0 <= self.b <= 1 and 0 <= (self.delta or 0) < math.inf):
            raise UsageError(
                f"BM25 parameters k1={self.k1} b={self.b} delta={self.delta} make no sense",
                do="use k1 >= 0, 0 <= b <= 1 and delta >= 0",
            )

    @classmethod
    def of(cls, given: Iterable[tuple[str, object]], language: str | None = "en") -> "BM25Settings":
        """The settings with these (field, value) pairs, the last one of a field counting; numbers may be text.

        Stemmer and stop words are else those of the language (ISO 639-1), none where it has none. Raises UsageError for a field or a value that there is not.
        """
        values: dict[str, Any] = {"stemmer": stemmer_of(language), "stop_words": stop_words_of(language), **dict(given)}
        names = [field.name for field in fields(cls)]
        for name, value in values.items():
            if name not in names:
                raise UsageError(f"BM25 has no {name!r}", do=f"use one of {', '.join(names)}")
            if name in ("k1", "b") or (name == "delta" and value is not None):
                try:
                    values[name] = float(value)
                except (TypeError, ValueError):
                    raise UsageError(f"BM25 {name} {value!r} is no number", do=f"write, say, {name}=0.5") from None
        return cls(**values)

    @property
    def changed(self) -> tuple[tuple[str, str | float | None], ...]:
        """What differs from the defaults, as (field, value): a recipe's `bm25`."""
        plain = BM25Settings().as_dict()
        return tuple((name, value) for name, value in self.as_dict().items() if value != plain[name])

    @property
    def effective_delta(self) -> float:
        """The delta of the formula: the one that was set, or the method's own."""
        return _DELTA.get(self.method, 0.0) if self.delta is None else self.delta

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for fingerprints and records."""
        return asdict(self)

    def __str__(self) -> str:
        """One line for provenance, e.g. `lucene k1=0.9 b=0.4 stemmer=porter stop_words=english`."""
        parts = [self.method, f"k1={self.k1:g}", f"b={self.b:g}"]
        if self.method in _DELTA:
            parts.append(f"delta={self.effective_delta:g}")
        parts += [f"stemmer={self.stemmer or 'none'}", f"stop_words={self.stop_words or 'none'}"]
        if self.engine != "hnhub":
            parts.append(f"engine={self.engine}")
        return " ".join(parts)
