"""What every miner is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hnhub.engine.local import LOCAL, Engine
from hnhub.llm.prompts import Prompt
from hnhub.llm.types import LanguageModel
from hnhub.records import Recipe

__all__ = ["Mining"]


@dataclass(frozen=True, kw_only=True)
class Mining:
    """A corpus, its frozen queries, and what was decided. A miner takes of it what it needs."""

    method: str
    recipe: Recipe
    """With the corpus's language in it, BM25's settings too."""
    documents: Path
    queries: Path
    corpus_revision: str
    sources: Mapping[str, Path] = field(default_factory=dict)
    """By method, the candidates that it is made from."""
    model: LanguageModel | None = None
    prompt: Prompt | None = None
    """For the method's task."""
    indexes: Path | None = None
    """Where indexes lie that several builds share; None: with the stage's own work."""
    engine: Engine = LOCAL
