"""What a build would do and take, before it does it. What is measured, sampled or assumed is said beside the figures."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from hnhub.build import Build, Stage
from hnhub.llm.budget import Estimate, estimate
from hnhub.llm.types import Request
from hnhub.negatives.judge import SHOWN
from hnhub.records import contents

if TYPE_CHECKING:
    from hnhub.stages import StageRecord

__all__ = ["Forecast", "Step", "forecast"]

_SAMPLE = 2000
"""Documents of the calibration."""
_PROMPTS = 50
"""Prompts rendered for the estimate of tokens."""
_WORDS = 130
"""Assumed for a passage of a corpus that is not here yet."""
_FILTERED = 1.25
"""Queries written for each one kept: assumed, the filters' share differs by model and corpus."""
_PARQUET = 0.29
"""Bytes on disk for a byte of text under zstd: measured on SciFact's scored rows (39.7 MB of 139.2)."""
_BASE = 255e6
"""Bytes of a process that has loaded the libraries: measured."""
_A_DOCUMENT = 2700
"""Bytes a document on top while BM25 indexes its shard: measured, 135 MB for 50,000 documents of 121 words."""
_SHARD = 167_000
"""Documents a shard: measured, 2 million such documents made 12. A rough figure: texts of other lengths make others."""


@dataclass(frozen=True)
class Step:
    """One stage: its state and, if it is to do, the work in it. None is unknown, or not of this stage."""

    stage: str
    state: str
    work: str = ""
    requests: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Forecast:
    """The steps, their sum, and what was assumed."""

    steps: tuple[Step, ...]
    documents: int | None
    queries: int
    memory_bytes: int | None
    disk_bytes: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Corpus:
    documents: int | None
    sample: Sequence[str]
    """Contents of documents; empty if the corpus is not here."""

    @property
    def characters(self) -> float:
        """Mean of a document."""
        return sum(map(len, self.sample)) / len(self.sample) if self.sample else 6.2 * _WORDS


def forecast(build: Build, steps: Sequence[Stage], records: "Mapping[str, StageRecord | None]") -> Forecast:
    """Forecast a build from its stages and `pipeline.status` of them. Reads a sample of the corpus if it is loaded."""
    corpus = _corpus(build, records["corpus"])
    queries = _query_count(build, records["queries"])
    notes = [
        (
            f"tokens: from prompts rendered with {len(corpus.sample[:_PROMPTS]) or 'made-up'} passages and a made-up query, "
            "at 4 characters a token; answers as long as they may be"
        ),
        f"written queries: {_FILTERED} asked for each that is kept (assumed)",
    ]
    if not corpus.sample:
        notes.append(f"the corpus is not loaded: {_WORDS} words a passage assumed, and no time is predicted")
    rates = _bm25_rates(corpus.sample, build) if corpus.sample else None
    if rates:
        notes.append(f"BM25: measured on {len(corpus.sample):,} documents here, on one core, scaled to the corpus")
    found = [
        Step(stage.name, "done") if records[stage.name] else _to_do(stage.name, build, corpus, queries, rates)
        for stage in steps
    ]
    return Forecast(
        steps=tuple(found),
        documents=corpus.documents,
        queries=queries,
        memory_bytes=_memory(corpus),
        disk_bytes=_disk(build, corpus, queries),
        notes=tuple(notes),
    )


def _corpus(build: Build, record: "StageRecord | None") -> _Corpus:
    if record is None:
        return _Corpus(build.source.spec.documents if build.source.spec else None, ())
    frame = pl.scan_parquet(build.documents)
    count = int(frame.select(pl.len()).collect().item())
    every = max(1, count // _SAMPLE)
    sample = frame.gather_every(every).head(_SAMPLE).select("title", "text").collect()
    return _Corpus(count, [contents(title, text) for title, text in sample.iter_rows()])


def _query_count(build: Build, record: "StageRecord | None") -> int:
    if record:
        return int(record.files["queries.parquet"]["rows"])
    judged = build.source.spec.judged_queries if build.source.spec else {}
    if build.recipe.queries_from == "qrels" and judged:
        return sum(min(build.recipe.queries, judged.get(split, 0)) for split in ("train", "dev"))
    return build.recipe.queries


def _to_do(name: str, build: Build, corpus: _Corpus, queries: int, rates: tuple[float, float] | None) -> Step:
    recipe = build.recipe
    if name == "queries" and recipe.queries_from == "llm":
        return _asking(name, _tokens(build, corpus, "query", round(queries * _FILTERED)))
    if name in ("candidates/llm", "candidates/llm-pos"):
        task = "negative" if name.endswith("llm") else "negative-pos"
        return _asking(name, _tokens(build, corpus, task, queries * recipe.negatives))
    stage, _, method = name.partition("/")
    if stage == "judgements":
        shown = recipe.negatives if method.startswith("llm") else min(SHOWN * recipe.negatives, recipe.depth)
        if recipe.judge == "llm":
            return _asking(name, _tokens(build, corpus, "judge", queries * shown))
        return Step(name, "to do", f"{queries * (shown + 1):,} pairs to score")
    work = {
        "candidates/bm25": f"{queries:,} queries, top {recipe.depth}",
        "candidates/dense": f"{queries:,} queries, top {recipe.depth}; encodes the corpus",
        "candidates/ce": f"{queries * (recipe.depth + 1):,} pairs to score",
    }.get(name, "")
    seconds = None
    if name == "candidates/bm25" and rates and corpus.documents:
        seconds = corpus.documents * (rates[0] + queries * rates[1])
    return Step(name, "to do", work, seconds=seconds)


def _asking(name: str, tokens: Estimate) -> Step:
    return Step(name, "to do", "", tokens.requests, tokens.prompt_tokens, tokens.completion_tokens)


def _tokens(build: Build, corpus: _Corpus, task: str, requests: int) -> Estimate:
    prompt = build.prompts[task]
    passages = corpus.sample[:_PROMPTS] or ["word " * _WORDS]
    values = {
        "query": [{"passage": passage} for passage in passages],
        "negative": [{"query": "a question of about ten words, as queries usually are"}],
        "negative-pos": [{"query": "a question of about ten words", "positive": passage} for passage in passages],
        "judge": [{"query": "a question of about ten words", "passage": passage} for passage in passages],
    }[task]
    sample = [
        Request("", task, prompt.messages(**value), prompt.schema, prompt.sha256, prompt.max_tokens, 0.0, 1.0, 0)
        for value in values
    ]
    return estimate(sample, requests)


def _bm25_rates(sample: Sequence[str], build: Build) -> tuple[float, float] | None:
    """Seconds to index a document, and to hold one document against one query, on one core; None for other engines."""
    from hnhub.negatives.bm25 import BM25Settings, index_texts

    settings = BM25Settings.of(build.recipe.bm25)
    if settings.engine != "hnhub":
        return None
    queries = [" ".join(text.split()[:10]) for text in sample[:200]]
    index_texts(sample[:10], settings, threads=1).search(queries[:1], 10)  # compile, or load what was compiled
    start = time.perf_counter()
    index = index_texts(sample, settings, threads=1)
    indexed = time.perf_counter()
    index.search(queries, 100)
    searched = time.perf_counter()
    return (indexed - start) / len(sample), (searched - indexed) / (len(sample) * len(queries))


def _memory(corpus: _Corpus) -> int | None:
    """Of BM25's indexing, a shard at a time; models come on top."""
    if corpus.documents is None:
        return None
    return round(_BASE + _A_DOCUMENT * min(corpus.documents, _SHARD))


def _disk(build: Build, corpus: _Corpus, queries: int) -> int | None:
    """The corpus, the index, and of every method the scored candidates and the rows."""
    if corpus.documents is None:
        return None
    recipe = build.recipe
    mined = [method for method in recipe.methods if not method.startswith("llm")]
    texts = queries * (recipe.depth * len(mined) + (recipe.negatives + 1) * len(recipe.methods))
    return round(corpus.characters * _PARQUET * (corpus.documents * 2 + texts))
