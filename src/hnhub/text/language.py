"""Which language texts are in: measured by py3langid, which knows 97, from a sample of a corpus's documents."""

import logging
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hnhub.records import contents

__all__ = ["Language", "language_of", "measure", "surely_other"]

log = logging.getLogger(__name__)

_PLACES, _EACH, _CHARACTERS = 20, 10, 400
_SURELY = 40.0
_ALIKE = (
    {"no", "nb", "nn", "da"},
    {"bs", "hr", "sr", "sl"},
    {"id", "ms", "jv"},
    {"cs", "sk"},
    {"gl", "pt"},
    {"ur", "fa"},
)
_LEAST = 400
"""Characters below which a sample that is all ASCII is taken to be English: languages are told apart by more."""


@dataclass(frozen=True)
class Language:
    """A corpus's language."""

    code: str
    """ISO 639-1."""
    share: float | None = None
    """Of the sampled documents that look like it one by one; None if it was given."""
    sampled: int = 0


def measure(documents: Path) -> Language:
    """The language of documents.parquet, from the beginnings of up to 200 documents at 20 places."""
    table = pl.scan_parquet(documents)
    count = table.select(pl.len()).collect().item()
    places = sorted({count * i // _PLACES for i in range(_PLACES)})
    parts = [table.slice(place, _EACH).select("document_id", "title", "text").collect() for place in places]
    rows = pl.concat(parts).unique("document_id", maintain_order=True).iter_rows() if parts else ()
    texts = [contents(title, text)[:_CHARACTERS] for _, title, text in rows]
    joined = "\n".join(texts)
    if len(joined) < _LEAST and joined.isascii():
        return Language("en", None, len(texts))
    code = language_of(joined)
    alike = sum(language_of(text) == code for text in texts)
    found = Language(code, round(alike / len(texts), 3), len(texts))
    log.info("language: %s, as %d of %d documents of a sample look; --language says otherwise", code, alike, len(texts))
    return found


def language_of(text: str) -> str:
    """The likeliest language (ISO 639-1)."""
    import py3langid

    return str(py3langid.classify(text)[0])


def surely_other(text: str, code: str) -> str | None:
    """The language (ISO 639-1) of a text that is surely in another than `code`, else None.

    A difference of 40 in the logarithm of the likelihood: of real queries of one language, names of plants and diseases come to 24.
    """
    import py3langid

    scores = dict(py3langid.rank(text[:2000]))
    best = max(scores, key=scores.__getitem__)
    near = next((group for group in _ALIKE if code in group), {code})
    wanted = max((scores[one] for one in near if one in scores), default=None)
    return None if wanted is None or scores[best] - wanted < _SURELY else str(best)
