"""The type of a catalog entry. A field that is not here can't be given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hnhub.corpus.mteb import MtebTask

__all__ = ["FAMILIES", "CorpusSpec"]

FAMILIES: Mapping[str, str] = {
    "question": "a natural question that the passage answers; the default",
    "claim": "a factual claim that the passage supports or refutes",
    "argument": "an argument or a stance that the passage argues against or speaks to",
    "title": "the title of a paper that would cite the passage's paper",
    "entity": "a short keyword query for the entity that the passage describes",
    "duplicate-question": "another way to ask the question that the passage asks",
    "health": "a layperson's or clinician's health topic or question, answered by a biomedical abstract",
    "news": "a news topic, headline or background need",
    "reference": "a programmer's question that a manual's passage answers",
}
"""What a query is, by prompt family: each has prompts of its own."""


@dataclass(frozen=True, kw_only=True)
class CorpusSpec:
    """Facts on one published corpus. None is "not known", never "none"."""

    name: str
    title: str
    documents: int | None
    """Passages in the source, before empty ones are dropped. None: it depends on something (pydocs)."""
    judged_queries: Mapping[str, int]
    """Split -> queries with at least one judgement, in the source."""
    licence: str
    """The tag as `licence_source` gives it, or `unknown`."""
    licence_source: str
    redistributable: bool | None
    """May its text be published by us? None: unknown or the sources disagree."""
    licence_note: str = ""
    access: Literal["open", "gated"] = "open"
    """`gated`: the text comes from the user's own licensed copy, and only ids may be published."""
    hub_id: str | None = None
    revision: str | None = None
    qrels_hub_id: str | None = None
    qrels_revision: str | None = None
    mteb: MtebTask | None = None
    citation: str
    """BibTeX."""
    family: str = "question"
    evaluation_splits: tuple[str, ...] | None = None
    """The judged splits that people report figures on, where that is not `test` alone: none of them is trained on."""
    drop_same_id: bool = False
    """In evaluation, drop a document whose id equals the query's."""
    bm25: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Expected figures on the test split: index kind (`flat`, `multifield`) -> metric -> value."""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"{self.name}: no prompt family {self.family!r}")
