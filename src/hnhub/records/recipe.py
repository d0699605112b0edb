"""A recipe: every decision of a build."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypedDict

from hnhub.records.bm25_settings import BM25Settings
from hnhub.records.methods import PAPER_METHODS
from hnhub.records.options import option

__all__ = ["WRITTEN_QUERIES", "MiningOptions", "Precision", "Recipe", "RecipeOptions"]

Precision = Literal["auto", "fp32", "bf16", "int8"]
"""What encoders compute in; `auto` is bf16 where the hardware has units for it. int8 is for cross-encoders."""

WRITTEN_QUERIES = 1000
"""Queries a split that are written where a recipe says nothing."""


@dataclass(frozen=True)
class Recipe:
    """Every decision of a build. Two builds with equal recipes, inputs and answers give equal bytes."""

    corpus: str
    methods: tuple[str, ...] = PAPER_METHODS
    queries: int | None = option(
        None, "Common", "At most this many queries a split.  [default: 1,000 written, all judged]", least=1
    )
    queries_from: Literal["llm", "qrels"] = option("llm", "Common", "Write queries, or take the judged ones.")
    round_trip: int | None = option(
        10, "Queries", "Keep a written query if BM25 finds its passage in the top K; 0 is off.", least=1, off=0
    )
    query_styles: tuple[tuple[str, float], ...] = ()
    """Styles of written queries with their shares, as (style, weight), kept exactly; empty is the corpus family's one style."""
    per_passage: int = option(1, "Queries", "Queries written from a passage, each unlike the others.", least=1)
    query_judge: int | None = option(
        None,
        "Queries",
        "Keep a written query only if the LLM gives it so many of 10 points for being answered by its passage and "
        "understood without it; 7 if no number is given, 0 is off.",
        metavar="[POINTS]",
        least=1,
        most=10,
        off=0,
        bare=7,
    )
    positives: int | None = option(
        None,
        "Queries",
        "At most this many rows a query, one a positive.  [default: all that are known]",
        metavar="N|all",
        least=1,
        off="all",
    )
    negatives: int = option(5, "Common", "Negatives a query.", least=1)
    depth: int = option(100, "Negatives", "Candidates a query.", least=1)
    seed: int = option(0, "Common", "Of everything that is drawn.")
    model: str | None = None
    """The LLM, as the endpoint names it; None is the endpoint's only or first one."""
    generators: tuple[str, ...] = ()
    """Further LLMs that write queries: which one writes a query is drawn by the seed. `model` does everything else."""
    temperature: float = 0.6
    top_p: float = 0.95
    thinking: Literal["auto", "on", "off"] = option(
        "auto",
        "Language model",
        "Tell the LLM to think before it answers, and give it room, or not to.  [default: the server's way]",
    )
    extra_body: str | None = None
    """Further members of every request's body, as canonical JSON."""
    prompts: tuple[tuple[str, str], ...] = ()
    """Prompt files of the user's own, as (task, path)."""
    language: str | None = option(
        None,
        "Corpus",
        "Of the corpus, e.g. de: chooses BM25's stemmer and stop words; written texts in another one are dropped.  "
        "[default: measured from a sample]",
        metavar="CODE",
    )
    bm25: BM25Settings = field(default_factory=BM25Settings)
    """Of the method, and of the round trip."""
    bi_encoder: str | None = option(
        None, "Common", "For dense and hybrid, and as a further source of ce's candidates.", metavar="ID"
    )
    faiss: str | None = option(
        None,
        "Negatives",
        "dense: search approximately by this index of faiss, e.g. 'IVF1024,Flat;nprobe=32'.  [default: exactly]",
        metavar="FACTORY",
    )
    cross_encoder: str = option(
        "cross-encoder/ms-marco-MiniLM-L6-v2",
        "Common",
        "ce's scorer, and that of --judge ce and cascade. `local` is query likelihood under the embedded LLM.",
        metavar="ID|local",
    )
    precision: Precision = option(
        "auto",
        "Negatives",
        "What bi-encoder and cross-encoder compute in; how far they agree with fp32 is measured first. int8 is for cross-encoders "
        "on CPUs with VNNI (extra int8); bi-encoders stay as by default.  "
        "[default: bf16 where the hardware has units for it, else fp32]",
    )
    max_percent: float | None = option(
        0.95,
        "Negatives",
        "ce, --judge ce and cascade: drop candidates over this share of the positive's score.",
        above=0,
        most=1,
    )
    """NV-Retriever's TopK-PercPos."""
    max_margin: float | None = option(
        None,
        "Negatives",
        "ce, --judge ce and cascade: drop candidates over the positive's score minus this instead.",
        least=0,
    )
    judge: Literal["llm", "listwise", "ce", "cascade"] | None = option(
        None,
        "Negatives",
        "Who looks at what would become negatives, and may veto: the LLM, pair by pair or all of a query at once; the "
        "cross-encoder by ce's rule; or it first, and the LLM (at once) on what it would not keep.",
        off="none",
    )
    promote: Literal["drop", "positive"] = option(
        "drop",
        "Queries",
        "What becomes of what judge or cut finds as relevant as the positive: nothing, or a further positive.",
    )
    sampling: Literal["top", "random", "weighted", "stratified"] = option(
        "top", "Negatives", "How negatives are chosen from candidates."
    )
    rank_min: int = option(1, "Negatives", "Choose from this rank on.", least=1)
    rank_max: int | None = option(None, "Negatives", "Choose up to this rank.", least=1)
    on_shortfall: Literal["drop", "keep", "fail"] = option(
        "drop", "Negatives", "What becomes of a query with too few negatives."
    )

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
    precision: Precision
    max_percent: float | None
    max_margin: float | None
    judge: Literal["llm", "listwise", "ce", "cascade"] | None
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
