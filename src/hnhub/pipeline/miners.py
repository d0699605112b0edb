"""The candidate stages, one a source: what each is made from, and made by the miner that `METHODS` names."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Self

from hnhub.pipeline.job import Job, Stage
from hnhub.pipeline.parameters import Identity, Parameters, int8_group, prompt_hashes
from hnhub.records import METHODS, Recipe

__all__ = [
    "CANDIDATES",
    "BM25Parameters",
    "CandidatesParameters",
    "CrossEncoderParameters",
    "DenseParameters",
    "HybridParameters",
    "WrittenParameters",
    "candidate_sources",
    "candidates_stage",
    "sources_of",
]


@dataclass(frozen=True, kw_only=True)
class CandidatesParameters(Parameters, ABC):
    """Of `candidates/<method>`."""

    @classmethod
    @abstractmethod
    def of(cls, job: Job, method: str) -> Self:
        """What the method's candidates are made from in this build."""


@dataclass(frozen=True, kw_only=True)
class WrittenParameters(CandidatesParameters):
    """`candidates/llm`, `candidates/llm-pos` and `candidates/llm-graded`."""

    VERSION: ClassVar[int] = 3
    model: Identity | None
    prompts: Mapping[str, str]
    sampling: tuple[float, float]
    negatives: int
    seed: int
    language: str | None

    @classmethod
    def of(cls, job: Job, method: str) -> Self:
        """Who writes, and how many."""
        recipe, task = job.recipe, METHODS[method].task
        assert task
        return cls(
            model=job.model.identity if job.model else None,
            prompts=prompt_hashes(job, task),
            sampling=(recipe.temperature, recipe.top_p),
            negatives=recipe.negatives,
            seed=recipe.seed,
            language=recipe.language,
        )


@dataclass(frozen=True, kw_only=True)
class BM25Parameters(CandidatesParameters):
    """`candidates/bm25`."""

    VERSION: ClassVar[int] = 3
    depth: int
    settings: Identity
    language: str | None

    @classmethod
    def of(cls, job: Job, method: str) -> Self:
        """Settings, and the version of an engine that is not ours. Raises MissingExtra for one that is not there."""
        from hnhub.bm25.open import identity

        recipe = job.recipe
        return cls(depth=recipe.depth, settings=identity(recipe.bm25), language=recipe.language)


@dataclass(frozen=True, kw_only=True)
class DenseParameters(CandidatesParameters):
    """`candidates/dense`."""

    VERSION: ClassVar[int] = 3
    depth: int
    bi_encoder: Identity
    faiss: str | None
    precision: str = "auto"

    @classmethod
    def of(cls, job: Job, method: str) -> Self:
        """The model with its prompts. May ask the Hub for its revision."""
        from hnhub.negatives.dense import DEFAULT_BI_ENCODER, identity

        recipe = job.recipe
        return cls(
            depth=recipe.depth,
            bi_encoder=identity(recipe.bi_encoder or DEFAULT_BI_ENCODER),
            faiss=recipe.faiss,
            precision=recipe.precision,
        )


@dataclass(frozen=True, kw_only=True)
class HybridParameters(CandidatesParameters):
    """`candidates/hybrid`."""

    VERSION: ClassVar[int] = 3
    depth: int

    @classmethod
    def of(cls, job: Job, method: str) -> Self:
        """How deep; the rest is its sources'."""
        return cls(depth=job.recipe.depth)


@dataclass(frozen=True, kw_only=True)
class CrossEncoderParameters(CandidatesParameters):
    """`candidates/ce`."""

    VERSION: ClassVar[int] = 3
    depth: int
    cross_encoder: Identity
    precision: str = "auto"
    int8_group: int | None = None

    @classmethod
    def of(cls, job: Job, method: str) -> Self:
        """The scorer. May ask the Hub for its revision."""
        from hnhub.negatives.cross_encoder import identity

        recipe = job.recipe
        return cls(
            depth=recipe.depth,
            cross_encoder=identity(recipe.cross_encoder),
            precision=recipe.precision,
            int8_group=int8_group(recipe.precision),
        )


CANDIDATES: Mapping[str, type[CandidatesParameters]] = {
    "llm": WrittenParameters,
    "llm-pos": WrittenParameters,
    "llm-graded": WrittenParameters,
    "bm25": BM25Parameters,
    "dense": DenseParameters,
    "hybrid": HybridParameters,
    "ce": CrossEncoderParameters,
}
"""By method, those of its candidates."""


def candidate_sources(recipe: Recipe) -> list[str]:
    """The sources that a recipe's methods need, each after those that it is made from."""
    found: dict[str, None] = {}

    def add(method: str) -> None:
        for source in sources_of(method, recipe):
            add(source)
        found[method] = None

    for method in METHODS:
        if method in recipe.methods:
            add(method)
    return list(found)


def sources_of(method: str, recipe: Recipe) -> tuple[str, ...]:
    """The methods whose candidates a method is made from."""
    found = METHODS[method]
    return found.sources + (found.further_sources if recipe.bi_encoder else ())


def candidates_stage(job: Job, method: str) -> Stage:
    """The stage that makes a method's candidates."""
    sources = sources_of(method, job.recipe)

    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives.mining import Mining

        task = METHODS[method].task
        mining = Mining(
            method=method,
            recipe=job.made_by,
            documents=job.documents,
            queries=job.queries,
            corpus_revision=job.corpus_revision,
            sources=job.candidates(*sources),
            model=job.model,
            prompt=job.prompts[task] if task else None,
            indexes=job.home / "bm25",
            engine=job.engine,
        )
        miner = import_module(f"hnhub.negatives.{METHODS[method].miner}")
        facts: Mapping[str, Any] = miner.make_candidates(out, work, mining)
        return facts

    needs = ("corpus", "queries", *(f"candidates/{source}" for source in sources))
    return Stage(f"candidates/{method}", needs, partial(CANDIDATES[method].of, job, method), make)
