"""The ways to get negatives, as a table."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["JUDGES", "LEVEL_REASONS", "METHODS", "PAPER_METHODS", "JudgeKind", "Method"]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to get negatives: what it is, and what follows from that wherever methods differ."""

    miner: str
    """The module of `hnhub.negatives` that finds its candidates."""
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
    graded: bool = False
    """Its scores are levels of relevance from 0 to 3, as they were asked for; the positive's is 3."""
    encodes: bool = False
    """It needs a bi-encoder."""

    @property
    def written(self) -> bool:
        """A language model wrote its texts; they are no passages of the corpus."""
        return self.task is not None


METHODS: Mapping[str, Method] = {
    "llm": Method(
        miner="llm",
        says="a language model wrote a passage that looks relevant but is not, from the text of the query only; no corpus "
        "passage is involved",
        task="negative",
    ),
    "llm-pos": Method(
        miner="llm",
        says="a language model wrote a passage that looks relevant but is not, from the query and its positive",
        task="negative-pos",
    ),
    "llm-graded": Method(
        miner="llm",
        says="a language model wrote passages of relevance 3, 2, 1 and 0 from the query and its positive; negatives are those "
        "of 1 (on the topic, without the answer) and 0",
        task="graded",
        graded=True,
    ),
    "bm25": Method(miner="bm25", says="the documents that BM25 ranks highest for the query"),
    "dense": Method(miner="dense", says="the documents whose embeddings are nearest to the query's", encodes=True),
    "ce": Method(
        miner="cross_encoder",
        says="candidates of a first retriever, scored",
        sources=("bm25",),
        further_sources=("dense",),
        scores_positive=True,
    ),
    "hybrid": Method(
        miner="hybrid",
        says="BM25's and the bi-encoder's rankings, merged by reciprocal rank fusion",
        sources=("bm25", "dense"),
    ),
}
"""Every way to get negatives, in the order in which they are published."""

LEVEL_REASONS: Mapping[str, str] = {"drop": "written_relevant", "promote": "written_positive"}
"""By verdict, why a passage that was written at a level of relevance is no negative. Its level is learnt from all the same."""


@dataclass(frozen=True, kw_only=True)
class JudgeKind:
    """Who looks at what would become negatives."""

    says: str
    """Who judged and by what, in the words of the card."""
    task: str | None = None
    """Of a language model: what it is asked for."""
    scores: bool = False
    """A cross-encoder scores every candidate, beside the positive."""
    one_request: bool = False
    """The language model sees a query's candidates all at once."""


_GRADES = "on a scale of relevance from 0 to 3: 2 was dropped, 3 promoted to a possible second positive"
JUDGES: Mapping[str, JudgeKind] = {
    "llm": JudgeKind(says=f"a language model, {_GRADES}", task="judge"),
    "listwise": JudgeKind(
        says=f"a language model, all candidates of a query at once and by the answer that its positive gives, {_GRADES}",
        task="judge-list",
        one_request=True,
    ),
    "ce": JudgeKind(
        says="a cross-encoder, which scored them beside the positive: what came too near to it was dropped, what came as high "
        "was promoted to a possible second positive",
        scores=True,
    ),
    "cascade": JudgeKind(
        says="a cross-encoder, which scored them beside the positive, and what came too near to it by a language model, all at "
        f"once and by the answer that the positive gives, {_GRADES}",
        task="judge-list",
        scores=True,
        one_request=True,
    ),
}

PAPER_METHODS = ("llm", "bm25", "ce")
"""The three of arXiv 2504.21015; the command line's `all`."""
