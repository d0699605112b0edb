"""The nouns. Large tables stay in Parquet (columns in `hnhub.schema`); these are single rows of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypedDict

__all__ = [
    "METHODS",
    "PAPER_METHODS",
    "WRITTEN_QUERIES",
    "Document",
    "Drop",
    "Method",
    "MiningOptions",
    "Provenance",
    "Recipe",
    "RecipeOptions",
    "Verdict",
    "contents",
    "evaluation_splits",
    "parent_of",
]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to get negatives: what it is, and what follows from that wherever methods differ."""

    says: str
    """What its negatives are, in the words of the card."""
    sources: tuple[str, ...] = ()
    """The methods whose candidates it is made from."""
    further_sources: tuple[str, ...] = ()
    """And these where the recipe names a bi-encoder."""
    task: str | None = None
    """Of a language model: what it is asked for. Set if its texts are written, and no passages of the corpus."""
    scores_positive: bool = False
    """Its scorer scores the positive too, so that the positive-aware cut applies."""
    encodes: bool = False
    """It needs a bi-encoder."""

    @property
    def written(self) -> bool:
        """A language model wrote its texts; they are no passages of the corpus."""
        return self.task is not None


METHODS: Mapping[str, Method] = {
    "llm": Method(
        says="a language model wrote a passage that looks relevant but is not, from the text of the query only; no corpus "
        "passage is involved",
        task="negative",
    ),
    "llm-pos": Method(
        says="a language model wrote a passage that looks relevant but is not, from the query and its positive",
        task="negative-pos",
    ),
    "bm25": Method(says="the documents that BM25 ranks highest for the query"),
    "dense": Method(says="the documents whose embeddings are nearest to the query's", encodes=True),
    "ce": Method(
        says="candidates of a first retriever, scored",
        sources=("bm25",),
        further_sources=("dense",),
        scores_positive=True,
    ),
    "hybrid": Method(
        says="BM25's and the bi-encoder's rankings, merged by reciprocal rank fusion", sources=("bm25", "dense")
    ),
}
"""Every way to get negatives, in the order in which they are published."""

WRITTEN_QUERIES = 1000
"""Queries a split that are written where a recipe says nothing."""

PAPER_METHODS = ("llm", "bm25", "ce")
"""The three of arXiv 2504.21015; the command line's `all`."""

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
    bm25: tuple[tuple[str, str | float | None], ...] = ()
    """What differs from the defaults of BM25 (`hnhub.bm25.settings.BM25Settings`), as (field, value)."""
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
        """Plain data, for fingerprints and the manifest."""
        return asdict(self)


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
