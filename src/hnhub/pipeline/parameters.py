"""What each kind of stage is made from beside the stages that it needs, as one typed object: its fingerprint.

Raise a class's VERSION when its stage's output changes for the same input.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from hnhub.pipeline.tasks import query_tasks
from hnhub.records import JUDGES, METHODS, Recipe

if TYPE_CHECKING:
    from hnhub.pipeline.job import Job

__all__ = [
    "CorpusParameters",
    "DatasetParameters",
    "Identity",
    "JudgementsParameters",
    "NegativesParameters",
    "Parameters",
    "QueriesParameters",
    "QueryWriting",
    "int8_group",
    "prompt_hashes",
]

Identity = Mapping[str, Any]
"""A model's name, its revision, and what else decides what it does."""


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Of one stage: frozen, plain data."""

    VERSION: ClassVar[int]

    def as_dict(self) -> dict[str, Any]:
        """For the fingerprint. A field with a default counts once it differs from that: so a new one remakes nothing."""
        plain = asdict(self)
        given = [field.name for field in fields(self) if field.default is MISSING or plain[field.name] != field.default]
        return {"version": self.VERSION, **{name: plain[name] for name in given}}


@dataclass(frozen=True, kw_only=True)
class CorpusParameters(Parameters):
    """Where the corpus comes from."""

    VERSION: ClassVar[int] = 2
    source: Identity

    @classmethod
    def of(cls, job: "Job") -> "CorpusParameters":
        """Its files, or its revision on the Hub."""
        return cls(source=job.source.identity())


@dataclass(frozen=True, kw_only=True)
class QueryWriting:
    """Who writes queries, and what they have to pass."""

    models: tuple[Identity, ...]
    prompts: Mapping[str, str]
    """Their hashes, by task."""
    sampling: tuple[float, float]
    """temperature, top_p."""
    styles: tuple[tuple[str, float], ...]
    per_passage: int
    query_judge: int | None
    round_trip: int | None
    bm25: Identity | None
    """Of the round trip."""


@dataclass(frozen=True, kw_only=True)
class QueriesParameters(Parameters):
    """Which queries are taken from the corpus, or how they are written."""

    VERSION: ClassVar[int] = 4
    queries_from: str
    queries: int | None
    seed: int
    language: str | None
    marks: str | None = None
    writing: QueryWriting | None = None

    @classmethod
    def of(cls, job: "Job") -> "QueriesParameters":
        """What decides on judged queries; and of written ones all the rest."""
        recipe = job.recipe
        return cls(
            queries_from=recipe.queries_from,
            queries=recipe.query_limit,
            seed=recipe.seed,
            language=recipe.language,
            marks=job.marks.sha256_of("bad_queries", "bad_positives") if job.marks else None,
            writing=_query_writing(job) if recipe.queries_from == "llm" else None,
        )


def _query_writing(job: "Job") -> QueryWriting:
    from hnhub.bm25.open import identity

    recipe = job.recipe
    return QueryWriting(
        models=tuple(model.identity for model in job.models),
        prompts=prompt_hashes(job, *query_tasks(recipe)),
        sampling=(recipe.temperature, recipe.top_p),
        styles=recipe.query_styles,
        per_passage=recipe.per_passage,
        query_judge=recipe.query_judge,
        round_trip=recipe.round_trip,
        bm25=identity(recipe.bm25) if recipe.round_trip else None,
    )


@dataclass(frozen=True, kw_only=True)
class JudgementsParameters(Parameters):
    """`judgements/<method>`."""

    VERSION: ClassVar[int] = 4
    judge: str | None
    cross_encoder: Identity | None
    model: Identity | None
    prompt: str | None
    negatives: int
    seed: int
    language: str | None
    sampling: tuple[str, int, int | None]
    cut: tuple[float | None, float | None] | None
    precision: str = "auto"
    int8_group: int | None = None

    @classmethod
    def of(cls, job: "Job", method: str) -> "JudgementsParameters":
        """Who judges, and what decides on which candidates are shown."""
        from hnhub.negatives.cross_encoder import identity

        recipe = job.recipe
        assert recipe.judge
        kind = JUDGES[recipe.judge]
        asked = job.model if kind.task else None
        return cls(
            judge=recipe.judge,
            cross_encoder=identity(recipe.cross_encoder) if kind.scores else None,
            model=asked.identity if asked else None,
            prompt=job.prompts[kind.task].sha256 if kind.task else None,
            negatives=recipe.negatives,
            seed=recipe.seed,
            language=recipe.language,
            sampling=(recipe.sampling, recipe.rank_min, recipe.rank_max),
            cut=_cut(recipe) if METHODS[method].scores_positive or kind.scores else None,
            precision=recipe.precision if kind.scores else "auto",
            int8_group=int8_group(recipe.precision) if kind.scores else None,
        )


@dataclass(frozen=True, kw_only=True)
class NegativesParameters(Parameters):
    """`negatives/<method>`."""

    VERSION: ClassVar[int] = 4
    negatives: int
    seed: int
    on_shortfall: str
    promote: str
    language: str | None
    sampling: tuple[str, int, int | None]
    cut: tuple[float | None, float | None] | None
    marks: str | None = None

    @classmethod
    def of(cls, job: "Job", method: str) -> "NegativesParameters":
        """How negatives are chosen among candidates."""
        recipe = job.recipe
        return cls(
            negatives=recipe.negatives,
            seed=recipe.seed,
            on_shortfall=recipe.on_shortfall,
            promote=recipe.promote,
            language=recipe.language,
            sampling=(recipe.sampling, recipe.rank_min, recipe.rank_max),
            cut=_cut(recipe) if METHODS[method].scores_positive else None,
            marks=job.marks.sha256_of("negatives") if job.marks else None,
        )


@dataclass(frozen=True, kw_only=True)
class DatasetParameters(Parameters):
    """`dataset`: the whole recipe, since the card and the manifest tell it."""

    VERSION: ClassVar[int] = 7
    recipe: Mapping[str, Any]
    dataset_version: str
    rights: str | None
    marks: str | None = None

    @classmethod
    def of(cls, job: "Job") -> "DatasetParameters":
        """All that was decided."""
        marks = job.marks.sha256 if job.marks else None
        return cls(recipe=job.recipe.as_dict(), dataset_version=job.version, rights=job.rights, marks=marks)


def prompt_hashes(job: "Job", *tasks: str) -> dict[str, str]:
    """By task."""
    return {task: job.prompts[task].sha256 for task in tasks}


def int8_group(precision: str) -> int | None:
    """What besides weights and precision decides on a cross-encoder's scores in 8 bits; nothing for the others."""
    from hnhub.score.eight_bits import GROUP

    return GROUP if precision == "int8" else None


def _cut(recipe: Recipe) -> tuple[float | None, float | None]:
    return recipe.max_percent, recipe.max_margin
