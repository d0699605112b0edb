"""Documents, where things come from, and what was dropped: single rows of what lies in Parquet (`hnhub.schema`)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Document", "Drop", "Provenance", "Verdict", "contents", "evaluation_splits", "parent_of"]

Verdict = Literal["keep", "drop", "promote"]
"""Of a candidate: usable as a negative, not usable, or so relevant that it may serve as a second positive."""


def evaluation_splits(splits: Collection[str], declared: Sequence[str] | None = None) -> tuple[str, ...]:
    """The splits that are evaluated on, so never trained on: those `declared`, else `test`, or `dev` where there is none."""
    if declared is not None:
        return tuple(name for name in declared if name in splits)
    return next(((name,) for name in ("test", "dev") if name in splits), ())


def parent_of(document_id: str) -> str:
    """The file that a chunk was cut from: of `<file>#<n>` the file. Only for corpora that hnhub chunked (fact `chunked`)."""
    return document_id.rpartition("#")[0] or document_id


def contents(title: str, text: str) -> str:
    """What is indexed, encoded and published of a document: title and text, joined by one space (as BEIR does)."""
    return f"{title} {text}".strip()


@dataclass(frozen=True)
class Document:
    """A passage of a corpus."""

    document_id: str
    title: str
    text: str

    @property
    def contents(self) -> str:
        """Title and text as one string."""
        return contents(self.title, self.text)


@dataclass(frozen=True)
class Provenance:
    """Where a query, a text or a score comes from. What does not apply is None."""

    method: str
    model: str | None = None
    revision: str | None = None
    """The model's revision, or the digest that the server gives."""
    server: str | None = None
    """Kind and version of the server, e.g. `llama.cpp b6666`."""
    prompt_sha256: str | None = None
    sampling: str | None = None
    """Parameters as canonical JSON."""
    seed: int | None = None
    corpus_revision: str | None = None
    style: str | None = None
    """Of a written query: the style that was asked for, where the recipe mixes several."""


@dataclass(frozen=True)
class Drop:
    """A line of the ledger: what was dropped, where and why. `reason` is a short fixed word, `detail` is free."""

    stage: str
    reason: str
    method: str | None = None
    query_id: str | None = None
    document_id: str | None = None
    detail: str | None = None
