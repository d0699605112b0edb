"""A recipe: every decision of a build."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypedDict

from hnhub.records.bm25_settings import BM25Settings
from hnhub.records.methods import PAPER_METHODS

__all__ = ["WRITTEN_QUERIES", "MiningOptions", "Recipe", "RecipeOptions"]

WRITTEN_QUERIES = 1000
"""Queries a split that are written where a recipe says nothing."""


@dataclass(frozen=True)
class Recipe:
    """Every decision of a build. Two builds with equal recipes, inputs and answers give equal bytes."""

    corpus: str
    methods: tuple[str, ...] = PAPER_METHODS
    queries: int | None = None
    """At most this many queries a split; None is 1,000 written ones (`WRITTEN_QUERIES`), and all that are judged."""
    queries_from: Literal["llm", "qrels"] = "llm"
    round_trip: int | None = 10
    """Keep a written query only if BM25 brings its passage back among this many; None turns the check off."""
    query_styles: tuple[tuple[str, float], ...] = ()
    """Styles of written queries with their shares, as (style, weight), kept exactly; empty is the corpus family's one style."""
    per_passage: int = 1
    """Queries that are asked for from one passage, each unlike the others."""
    query_judge: int | None = None
    """Keep a written query only if the LLM gives it so many of 10 points: answered by its passage, understood without it."""
    positives: int | None = None
    """At most this many rows a query, one a positive; None is all that are known."""
    negatives: int = 5
    depth: int = 100
    seed: int = 0
    model: str | None = None
    """The LLM, as the endpoint names it; None is the endpoint's only or first one."""
    generators: tuple[str, ...] = ()
    """Further LLMs that write queries: which one writes a query is drawn by the seed. `model` does everything else."""
    temperature: float = 0.6
    top_p: float = 0.95
    thinking: Literal["auto", "on", "off"] = "auto"
    """Whether the LLM is told to think before it answers; `on` gives it room to."""
    extra_body: str | None = None
    """Further members of every request's body, as canonical JSON."""
    prompts: tuple[tuple[str, str], ...] = ()
    """Prompt files of the user's own, as (task, path)."""
    language: str | None = None
    """Of the corpus (ISO 639-1), for BM25's analysis and the checks of written texts; None measures it."""
    bm25: BM25Settings = field(default_factory=BM25Settings)
    """Of the method, and of the round trip."""
    bi_encoder: str | None = None
    faiss: str | None = None
    """An index of faiss to search approximately by, e.g. `IVF1024,Flat;nprobe=32`; None searches exactly."""
    cross_encoder: str = "cross-encoder/ms-marco-MiniLM-L6-v2"
    """A sentence-transformers CrossEncoder, or `local`: query likelihood under the embedded LLM."""
    max_percent: float | None = 0.95
    """Drop a candidate scored over this share of the positive's score (NV-Retriever's TopK-PercPos)."""
    max_margin: float | None = None
    """Or: drop a candidate scored over the positive's score minus this."""
    judge: Literal["llm", "ce"] | None = None
    """Who looks at what would become negatives and may veto: the LLM, or the cross-encoder by the cut's rule."""
    promote: Literal["drop", "positive"] = "drop"
    """What becomes of a candidate that judge or cut finds as relevant as the positive: nothing, or a further positive."""
    sampling: Literal["top", "random", "weighted", "stratified"] = "top"
    rank_min: int = 1
    rank_max: int | None = None
    on_shortfall: Literal["drop", "keep", "fail"] = "drop"

    @property
    def query_limit(self) -> int | None:
        """Queries a split at most; None is no limit."""
        return self.queries or (WRITTEN_QUERIES if self.queries_from == "llm" else None)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for fingerprints and the manifest; of BM25's settings what differs from their defaults, as pairs."""
        return {**asdict(self), "bm25": self.bm25.changed}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Recipe":
        """A manifest's recipe. What a newer hnhub decides besides is left out."""
        names = {one.name for one in fields(cls)} - {"bm25"}
        bm25 = BM25Settings().changed_by(dict(plain.get("bm25", ())))
        return cls(bm25=bm25, **{name: _tuples(value) for name, value in plain.items() if name in names})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


class MiningOptions(TypedDict, total=False):
    """The decisions of a recipe on how negatives are found; `Recipe` says each one's meaning and default."""

    language: str | None
    depth: int
    temperature: float
    top_p: float
    thinking: Literal["auto", "on", "off"]
    bi_encoder: str | None
    faiss: str | None
    cross_encoder: str
    max_percent: float | None
    max_margin: float | None
    judge: Literal["llm", "ce"] | None
    promote: Literal["drop", "positive"]
    sampling: Literal["top", "random", "weighted", "stratified"]
    rank_min: int
    rank_max: int | None
    on_shortfall: Literal["drop", "keep", "fail"]


class RecipeOptions(MiningOptions, total=False):
    """Every decision of a recipe that one word or number can change."""

    queries: int | None
    positives: int | None
    queries_from: Literal["llm", "qrels"]
    round_trip: int | None
    per_passage: int
    query_judge: int | None
    negatives: int
    seed: int
    model: str | Sequence[str] | None
    """One name, or several: queries are then drawn among them, the first does everything else."""
