"""What a BM25 index is made from."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from hnhub.errors import UsageError

__all__ = ["BM25Settings", "Engine", "Formula", "Stemmer", "StopWords"]

Formula = Literal["lucene", "okapi", "bm25+", "bm25l"]
Engine = Literal["hnhub", "bm25s", "rank_bm25"]
Stemmer = Literal[
    "porter", "english", "arabic", "armenian", "basque", "catalan", "czech", "danish", "dutch", "esperanto", "estonian",
    "finnish", "french", "german", "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali",
    "norwegian", "persian", "polish", "portuguese", "romanian", "russian", "serbian", "sesotho", "spanish", "swedish", "tamil",
    "turkish", "yiddish",
]  # fmt: skip
"""Lucene's of English, and Snowball's."""
StopWords = Literal[
    "english", "danish", "dutch", "finnish", "french", "german", "hungarian", "italian", "norwegian", "portuguese", "russian",
    "spanish", "swedish",
]  # fmt: skip
"""Lucene's of English, and Snowball's."""

_DELTA: Mapping[str, float] = {"bm25+": 1.0, "bm25l": 0.5}
"""The papers' values (Lv and Zhai 2011); the other methods have no delta."""
_LACKING: Mapping[str, str] = {"bm25s": "okapi", "rank_bm25": "lucene"}
"""The method that a reference engine does not have, or has otherwise."""


@dataclass(frozen=True)
class BM25Settings:
    """Formula, parameters and analysis. The defaults are those of Anserini's BEIR runs.

    `method`: the formula (docs/bm25.md). `delta`: None is the paper's value of bm25+ (1.0) or bm25l (0.5).
    `stemmer`: "porter" (Lucene's English analyser), "english" (Porter2), another of Snowball's ("german", ...), None, or
    "auto": that of the corpus's language (`hnhub.bm25.languages.in_language`), as `stop_words`. `engine`: "hnhub", or a
    reference engine that gets the same tokens and keeps everything in memory.
    """

    method: Formula = "lucene"
    k1: float = 0.9
    b: float = 0.4
    delta: float | None = None
    stemmer: Stemmer | Literal["auto"] | None = "auto"
    stop_words: StopWords | Literal["auto"] | None = "auto"
    engine: Engine = "hnhub"

    def __post_init__(self) -> None:
        """Raise UsageError for a value that no index can have."""
        for name, value, allowed in (
            ("method", self.method, get_args(Formula)),
            ("stemmer", self.stemmer, ("auto", *get_args(Stemmer), None)),
            ("stop_words", self.stop_words, ("auto", *get_args(StopWords), None)),
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

    def changed_by(self, given: Mapping[str, object]) -> "BM25Settings":
        """The settings with these values in place; numbers may be text. Raises UsageError for a field or value that there is not."""
        values: dict[str, Any] = dict(given)
        names = [field.name for field in fields(self)]
        for name, value in values.items():
            if name not in names:
                raise UsageError(f"BM25 has no {name!r}", do=f"use one of {', '.join(names)}")
            if name in ("k1", "b") or (name == "delta" and value is not None):
                try:
                    values[name] = float(value)
                except (TypeError, ValueError):
                    raise UsageError(f"BM25 {name} {value!r} is no number", do=f"write, say, {name}=0.5") from None
        return replace(self, **values)

    @property
    def changed(self) -> tuple[tuple[str, str | float | None], ...]:
        """What differs from the defaults, as (field, value)."""
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
