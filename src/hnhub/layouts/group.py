"""A query with its passages, as every layout's functions get it."""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Group", "Options", "Passage"]


@dataclass(frozen=True)
class Options:
    """What the user may decide of a layout's rows."""

    scores: bool = False
    """The method's scores stand beside the passages; what has none is left out."""
    prompt: str | None = None
    """The instruction of the queries, for layouts that hold one."""


@dataclass(frozen=True)
class Passage:
    """A text with its id: the document's, or `<method>-` and a hash for what a model wrote."""

    document_id: str
    text: str
    score: float | None
    number: int
    """From 0, in the order of first use in this export; -1 where the layout has one table and needs none."""
    first: bool
    """This is its first use, so a table of documents gets it now."""


@dataclass(frozen=True)
class Group:
    """A query, its positives (at least one) and its negatives (at least one), best first."""

    split: str
    query_id: str
    query: str
    number: int
    """From 0, over all splits."""
    positives: tuple[Passage, ...]
    negatives: tuple[Passage, ...]

    @property
    def passages(self) -> tuple[Passage, ...]:
        """Positives, then negatives."""
        return self.positives + self.negatives

    def new(self) -> Iterator[Passage]:
        """The passages that no query before used."""
        return (passage for passage in self.passages if passage.first)
