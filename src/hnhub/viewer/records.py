"""What a page shows, as it is embedded: rows as lists (75,000 of them are common), texts said once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CANDIDATE", "Shown", "Texts", "ViewedQuery"]

CANDIDATE = (
    "document", "text", "rank", "score", "verdict", "reason", "position", "like", "cover", "provenance", "seed", "detail",
    "judge",
)  # fmt: skip
"""The members of a candidate's list, in order. `text` and `provenance` are indices, `like` the words that it shares with the
positive (Jaccard), `cover` the share of the query's words in it, `judge` the judge's score."""


@dataclass(frozen=True)
class Shown:
    """What of a dataset is on the page."""

    limit: int = 5000
    """Queries at most, drawn by the seed."""
    sample: int | None = None
    """Instead: so many negatives a method, drawn by the seed, for an estimate of how many are false."""
    seed: int = 0
    published: bool = False
    """Only what is published, so that anyone's copy gives the same page: no scores of a judge."""
    others: int = 5
    """Candidates of a query and a method beside its negatives, those that were dropped or promoted first."""


@dataclass
class Texts:
    """Distinct strings in the order in which they came."""

    items: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def add(self, text: str | None) -> int | None:
        """Where the text stands; None for none."""
        if text is None:
            return None
        if (place := self._places.setdefault(text, len(self.items))) == len(self.items):
            self.items.append(text)
        return place


@dataclass
class ViewedQuery:
    """A query with its positives, the candidates of each method, and what the ledger says of it."""

    query_id: str
    split: str
    text: int | None
    positives: list[list[Any]]
    """Document, text, and by method [rank, score]."""
    candidates: dict[str, list[list[Any]]] = field(default_factory=dict)
    lost: list[tuple[str | None, str, str | None]] = field(default_factory=list)
    """Method, reason and detail of what the ledger says of the query as a whole."""
    only: str | None = None
    """With two datasets: `a` or `b` if only one has the query."""

    def as_dict(self) -> Mapping[str, Any]:
        """As it is embedded."""
        record = {"i": self.query_id, "s": self.split, "q": self.text, "p": self.positives, "n": self.candidates}
        return record | ({"l": self.lost} if self.lost else {}) | ({"o": self.only} if self.only else {})
