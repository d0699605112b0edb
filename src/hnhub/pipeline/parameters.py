"""What each kind of stage is made from beside the stages that it needs, as one typed object: its fingerprint.

Raise a class's VERSION when its stage's output changes for the same input.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from hnhub.pipeline.tasks import query_tasks
from hnhub.records import METHODS, Recipe

if TYPE_CHECKING:
    from hnhub.pipeline.job import Job

__all__ = [
    "CANDIDATES",
    "BM25Parameters",
    "CorpusParameters",
    "CrossEncoderParameters",
    "DatasetParameters",
    "DenseParameters",
    "HybridParameters",
    "JudgementsParameters",
    "NegativesParameters",
    "Parameters",
    "QueriesParameters",
    "QueryWriting",
    "WrittenParameters",
    "code_version",
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
        prompts=_prompts(job, *query_tasks(recipe)),
        sampling=(recipe.temperature, recipe.top_p),
        styles=recipe.query_styles,
        per_passage=recipe.per_passage,
        query_judge=recipe.query_judge,
        round_trip=recipe.round_trip,
        bm25=identity(recipe.bm25) if recipe.round_trip else None,
    )


@dataclass(frozen=True, kw_only=True)
class WrittenParameters(Parameters):
    """`candidates/llm`, `candidates/llm-pos` and `candidates/llm-graded`."""

    VERSION: ClassVar[int] = 3
    model: Identity | None
    prompts: Mapping[str, str]
    sampling: tuple[float, float]
    negatives: int
    seed: int
    language: str | None

    @classmethod
    def of(cls, job: "Job", method: str) -> "WrittenParameters":
        """Who writes, and how many."""
        recipe, task = job.recipe, METHODS[method].task
        assert task
        return cls(
            model=job.model.identity if job.model else None,
            prompts=_prompts(job, task),
            sampling=(recipe.temperature, recipe.top_p),
            negatives=recipe.negatives,
            seed=recipe.seed,
            language=recipe.language,
        )


@dataclass(frozen=True, kw_only=True)
class BM25Parameters(Parameters):
    """`candidates/bm25`."""

    VERSION: ClassVar[int] = 3
    depth: int
    settings: Identity
    language: str | None

    @classmethod
    def of(cls, job: "Job", _: str) -> "BM25Parameters":
        """Settings, and the version of an engine that is not ours. Raises MissingExtra for one that is not there."""
        from hnhub.bm25.open import identity

        recipe = job.recipe
        return cls(depth=recipe.depth, settings=identity(recipe.bm25), language=recipe.language)


@dataclass(frozen=True, kw_only=True)
class DenseParameters(Parameters):
    """`candidates/dense`."""

    VERSION: ClassVar[int] = 3
    depth: int
    bi_encoder: Identity
    faiss: str | None

    @classmethod
    def of(cls, job: "Job", _: str) -> "DenseParameters":
        """The model with its prompts. May ask the Hub for its revision."""
        from hnhub.negatives.dense import DEFAULT_BI_ENCODER, identity

        recipe = job.recipe
        return cls(depth=recipe.depth, bi_encoder=identity(recipe.bi_encoder or DEFAULT_BI_ENCODER), faiss=recipe.faiss)


@dataclass(frozen=True, kw_only=True)
class HybridParameters(Parameters):
    """`candidates/hybrid`."""

    VERSION: ClassVar[int] = 3
    depth: int

    @classmethod
    def of(cls, job: "Job", _: str) -> "HybridParameters":
        """How deep; the rest is its sources'."""
        return cls(depth=job.recipe.depth)


@dataclass(frozen=True, kw_only=True)
class CrossEncoderParameters(Parameters):
    """`candidates/ce`."""

    VERSION: ClassVar[int] = 3
    depth: int
    cross_encoder: Identity

    @classmethod
    def of(cls, job: "Job", _: str) -> "CrossEncoderParameters":
        """The scorer. May ask the Hub for its revision."""
        from hnhub.negatives.cross_encoder import identity

        return cls(depth=job.recipe.depth, cross_encoder=identity(job.recipe.cross_encoder))


CANDIDATES: Mapping[str, Callable[["Job", str], Parameters]] = {
    "llm": WrittenParameters.of,
    "llm-pos": WrittenParameters.of,
    "llm-graded": WrittenParameters.of,
    "bm25": BM25Parameters.of,
    "dense": DenseParameters.of,
    "hybrid": HybridParameters.of,
    "ce": CrossEncoderParameters.of,
}
"""By method, those of its candidates."""


@dataclass(frozen=True, kw_only=True)
class JudgementsParameters(Parameters):
    """`judgements/<method>`."""

    VERSION: ClassVar[int] = 3
    judge: str | None
    cross_encoder: Identity | None
    model: Identity | None
    prompt: str | None
    negatives: int
    seed: int
    language: str | None
    sampling: tuple[str, int, int | None]
    cut: tuple[float | None, float | None] | None

    @classmethod
    def of(cls, job: "Job", method: str) -> "JudgementsParameters":
        """Who judges, and what decides on which candidates are shown."""
        from hnhub.negatives.cross_encoder import identity

        recipe = job.recipe
        asked = job.model if recipe.judge == "llm" else None
        return cls(
            judge=recipe.judge,
            cross_encoder=identity(recipe.cross_encoder) if recipe.judge == "ce" else None,
            model=asked.identity if asked else None,
            prompt=job.prompts["judge"].sha256 if asked else None,
            negatives=recipe.negatives,
            seed=recipe.seed,
            language=recipe.language,
            sampling=(recipe.sampling, recipe.rank_min, recipe.rank_max),
            cut=_cut(recipe) if METHODS[method].scores_positive or recipe.judge == "ce" else None,
        )


@dataclass(frozen=True, kw_only=True)
class NegativesParameters(Parameters):
    """`negatives/<method>`."""

    VERSION: ClassVar[int] = 3
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

    VERSION: ClassVar[int] = 4
    recipe: Mapping[str, Any]
    dataset_version: str
    rights: str | None
    marks: str | None = None

    @classmethod
    def of(cls, job: "Job") -> "DatasetParameters":
        """All that was decided."""
        marks = job.marks.sha256 if job.marks else None
        return cls(recipe=job.recipe.as_dict(), dataset_version=job.version, rights=job.rights, marks=marks)


def code_version(stage: str) -> int:
    """The version of the code behind a stage."""
    return (_OF_CANDIDATES.get(stage) or _OF_KIND[stage.partition("/")[0]]).VERSION


_OF_KIND: Mapping[str, type[Parameters]] = {
    "corpus": CorpusParameters,
    "queries": QueriesParameters,
    "judgements": JudgementsParameters,
    "negatives": NegativesParameters,
    "dataset": DatasetParameters,
}
_OF_CANDIDATES: Mapping[str, type[Parameters]] = {
    "candidates/llm": WrittenParameters,
    "candidates/llm-pos": WrittenParameters,
    "candidates/bm25": BM25Parameters,
    "candidates/dense": DenseParameters,
    "candidates/hybrid": HybridParameters,
    "candidates/ce": CrossEncoderParameters,
}


def _prompts(job: "Job", *tasks: str) -> dict[str, str]:
    return {task: job.prompts[task].sha256 for task in tasks}


def _cut(recipe: Recipe) -> tuple[float | None, float | None]:
    return recipe.max_percent, recipe.max_margin
