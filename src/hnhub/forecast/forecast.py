"""What a build would do and take, before it does it. What is measured, sampled or assumed is said beside the figures."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from hnhub.bm25.languages import in_language
from hnhub.errors import HnhubError
from hnhub.forecast.measure import SIZES, BM25Speed, DenseSpeed, PairSpeed, bm25_speed, dense_speed, pair_speed
from hnhub.forecast.passages import Passages, passages_of
from hnhub.llm.budget import Estimate, Prices, estimate
from hnhub.llm.speed import Speed, measured_speed
from hnhub.llm.types import Request
from hnhub.negatives.dense import DEFAULT_BI_ENCODER
from hnhub.negatives.judge import SHOWN
from hnhub.negatives.judge_lists import AT_ONCE
from hnhub.negatives.llm import NEGATIVES_OF_A_GRADED
from hnhub.pipeline.job import Job, Stage
from hnhub.queries.styles import quotas
from hnhub.records import JUDGES, METHODS, WRITTEN_QUERIES, evaluation_splits

if TYPE_CHECKING:
    from hnhub.stages import StageRecord

__all__ = ["Forecast", "Step", "forecast"]

T = TypeVar("T")

_PROMPTS = 50
"""Prompts rendered for the estimate of tokens."""
_ASKING = {"queries": "queries", **{f"candidates/{name}": name for name, found in METHODS.items() if found.written}}
"""Stages that ask a language model (`queries` only where it writes them): the method of their requests."""
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
_MODELS = 670e6
"""Bytes of a process that encodes, but for the weights: measured with MiniLM on a CPU (759 MB, of which 91 MB weights)."""


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
    prices: Prices | None = None
    """Of the language model, of several the dearest, where they are given; of a batch if it goes by batches."""
    unreached: str | None = None
    """Why the endpoint was not looked at: there is no time of requests then, and what a model wrote counts as to do."""

    @property
    def cost(self) -> float | None:
        """What it costs at most; None without prices."""
        if self.prices is None:
            return None
        read, written = (
            sum(getattr(step, name) or 0 for step in self.steps) for name in ("prompt_tokens", "completion_tokens")
        )
        return self.prices.cost(read, written)


@dataclass
class _Speeds:
    """What could be measured; None is unknown."""

    bm25: BM25Speed | None = None
    dense: DenseSpeed | None = None
    pairs: PairSpeed | None = None
    asking: dict[str, Speed] = field(default_factory=dict)
    """By stage."""


def forecast(
    job: Job, steps: Sequence[Stage], records: "Mapping[str, StageRecord | None]", unreached: str | None = None
) -> Forecast:
    """Forecast a build from its stages and `pipeline.status` of them. Reads a sample of the corpus if it is loaded.

    `unreached` is why the job has no language model.
    """
    corpus = passages_of(job, records["corpus"])
    queries = _query_count(job, corpus, records["queries"])
    notes = [
        (
            f"tokens: from prompts rendered with {len(corpus.sample[:_PROMPTS])} passages and a made-up query, "
            "at 4 characters a token; answers as long as they may be"
        ),
        f"written queries: {_FILTERED} asked for each that is kept (assumed)",
    ]
    if records["queries"] is None and job.recipe.queries_from == "llm" and queries < _written(job, None):
        notes.append(f"at most {job.recipe.per_passage} written for each of {corpus.documents:,} passages: {queries:,}")
    if unreached:
        notes.insert(0, f"{unreached}: no time of requests, and what a model wrote counts as to do")
    if not corpus.here:
        notes.append("the corpus is not loaded: the demo corpus's passages stand in for its own, in length too")
    speeds = _speeds(job, [stage.name for stage in steps if not records[stage.name]], corpus.sample, notes)
    found = [
        Step(stage.name, "done") if records[stage.name] else _to_do(stage.name, job, corpus, queries, speeds)
        for stage in steps
    ]
    return Forecast(
        steps=tuple(found),
        documents=corpus.documents,
        queries=queries,
        memory_bytes=_memory(corpus, speeds),
        disk_bytes=_disk(job, corpus, queries, speeds),
        notes=tuple(notes),
        unreached=unreached,
    )


def _query_count(job: Job, corpus: Passages, record: "StageRecord | None") -> int:
    if record:
        return int(record.files["queries.parquet"]["rows"])
    judged = job.source.spec.judged_queries if job.source.spec else {}
    limit = job.recipe.query_limit
    if job.recipe.queries_from == "qrels" and judged:
        evaluated = evaluation_splits(judged, job.source.spec.evaluation_splits if job.source.spec else None)
        counts = [count for split, count in judged.items() if split in ("train", "dev") and split not in evaluated]
        return sum(count if limit is None else min(limit, count) for count in counts)
    return _written(job, corpus.documents)


def _written(job: Job, documents: int | None, asked_for_one: float = 1) -> int:
    """Queries that are written, no more than the passages give: train gets the recipe's number, other parts in proportion."""
    recipe, wanted = job.recipe, job.recipe.query_limit or WRITTEN_QUERIES
    parts = job.source.given / "parts.parquet" if job.source.given else None
    if parts is None or not parts.is_file():
        asked = round(wanted * asked_for_one)
        return asked if documents is None else min(asked, documents * recipe.per_passage)
    sizes = pl.read_parquet(parts)["split"].drop_nulls().value_counts()
    train = max(1, dict(sizes.iter_rows()).get("train", 0))
    return sum(
        min(round(math.ceil(wanted * size / train) * asked_for_one), size * recipe.per_passage)
        for size in sizes["count"]
    )


def _speeds(job: Job, to_do: Sequence[str], sample: Sequence[str], notes: list[str]) -> _Speeds:
    """Measure what the stages that are to do need, and note how."""
    speeds, recipe = _Speeds(), job.recipe
    for stage in to_do:
        asked = recipe.judge and JUDGES[recipe.judge].task and stage.startswith("judgements/")
        method = "judge" if asked else _ASKING.get(stage)
        if method is None or (stage == "queries" and recipe.queries_from != "llm"):
            continue
        if speed := _asking_speed(job, method):
            speeds.asking[stage] = speed
            notes.append(
                f"{stage}: as fast as this model's latest {speed.answers:,} answers here, in {speed.seconds:,} s"
            )
        else:
            notes.append(f"{stage}: no time, since the journal knows no run of this model that tells one")
    settings = in_language(recipe.bm25, recipe.language or "en")
    if "candidates/bm25" in to_do and settings.engine == "hnhub":
        speeds.bm25 = bm25_speed(sample, settings)
        sizes = " and ".join(f"{size:,}" for size in SIZES)
        notes.append(f"BM25: measured here on {len(sample):,} passages repeated to {sizes}, on one core, scaled")
    if "candidates/dense" in to_do:
        model = recipe.bi_encoder or DEFAULT_BI_ENCODER
        speeds.dense = _measured("dense", lambda: dense_speed(model, sample), notes)
        if speeds.dense:
            notes.append(f"dense: measured on {speeds.dense.measured:,} passages here, on one device, scaled")
    if "candidates/ce" in to_do or (
        recipe.judge and JUDGES[recipe.judge].scores and any(name.startswith("judgements/") for name in to_do)
    ):
        speeds.pairs = _measured("cross-encoder", lambda: pair_speed(recipe.cross_encoder, sample), notes)
        if speeds.pairs:
            notes.append(f"cross-encoder: measured on {speeds.pairs.measured:,} pairs here, on one device, scaled")
    return speeds


def _measured(what: str, measure: Callable[[], T], notes: list[str]) -> T | None:
    try:
        return measure()
    except (HnhubError, OSError, ValueError, RuntimeError) as error:
        reason = error.what if isinstance(error, HnhubError) else f"{type(error).__name__} while it was loaded"
        notes.append(f"{what}: time and memory are unknown ({reason})")
        return None


def _asking_speed(job: Job, method: str) -> Speed | None:
    if job.model is None:
        return None
    who = job.model.identity
    return measured_speed(job.home / "journal.sqlite", who["model"], who["revision"], method)


def _to_do(name: str, job: Job, corpus: Passages, queries: int, speeds: _Speeds) -> Step:
    recipe, speed = job.recipe, speeds.asking.get(name)
    if name == "queries" and recipe.queries_from == "llm":
        return _asking(name, _query_tokens(job, corpus), speed)
    stage, _, method = name.partition("/")
    if stage == "candidates" and (task := METHODS[method].task):
        return _asking(name, _tokens(job, corpus, task, queries * _asks(method, recipe.negatives)), speed)
    if stage == "judgements":
        return _judging(name, job, corpus, queries, speeds)
    if name == "candidates/ce":
        return _scoring(name, queries * (recipe.depth + 1), speeds)
    work = {
        "candidates/bm25": f"{queries:,} queries, top {recipe.depth}",
        "candidates/dense": f"{queries:,} queries, top {recipe.depth}; encodes the corpus",
    }.get(name, "")
    seconds = None
    found = {"candidates/bm25": speeds.bm25, "candidates/dense": speeds.dense}.get(name)
    if found and corpus.documents:
        seconds = corpus.documents * found.document + queries * (found.query + corpus.documents * found.product)
    return Step(name, "to do", work, seconds=seconds)


def _judging(name: str, job: Job, corpus: Passages, queries: int, speeds: _Speeds) -> Step:
    """Of a judge; of a cascade at most, since how much is doubtful nobody knows before."""
    recipe, method = job.recipe, name.partition("/")[2]
    kind = JUDGES[recipe.judge or "llm"]
    shown = recipe.negatives if METHODS[method].written else min(SHOWN * recipe.negatives, recipe.depth)
    scored = _scoring(name, queries * (shown + 1), speeds)
    if kind.task is None:
        return scored
    requests = math.ceil(shown / AT_ONCE) if kind.one_request else shown
    tokens = _tokens(job, corpus, kind.task, queries * requests, math.ceil(shown / requests))
    asked = _asking(name, tokens, speeds.asking.get(name))
    if not kind.scores:
        return asked
    known = asked.seconds is not None and scored.seconds is not None
    seconds = (asked.seconds or 0) + (scored.seconds or 0) if known else None
    return replace(asked, work=f"{scored.work}; at most so many requests", seconds=seconds)


def _asks(method: str, negatives: int) -> int:
    """Requests a query of a method whose negatives are written."""
    return math.ceil(negatives / NEGATIVES_OF_A_GRADED) if METHODS[method].graded else negatives


def _scoring(name: str, pairs: int, speeds: _Speeds) -> Step:
    return Step(name, "to do", f"{pairs:,} pairs to score", seconds=pairs * speeds.pairs.pair if speeds.pairs else None)


def _asking(name: str, tokens: Estimate, speed: Speed | None) -> Step:
    seconds = tokens.requests * speed.seconds / speed.answers if speed else None
    return Step(name, "to do", "", tokens.requests, tokens.prompt_tokens, tokens.completion_tokens, seconds)


def _query_tokens(job: Job, corpus: Passages) -> Estimate:
    """Of writing them, in every style its part, and of judging each one."""
    asked, recipe = _written(job, corpus.documents, _FILTERED), job.recipe
    styles = quotas(recipe.query_styles, asked) if recipe.query_styles else {}
    counts = {f"query.{style}": count for style, count in styles.items()} or {"query": asked}
    if recipe.query_judge is not None:
        counts["query-judge"] = asked
    found = [_tokens(job, corpus, task, count) for task, count in counts.items()]
    return Estimate(
        sum(one.requests for one in found),
        min(one.sample for one in found),
        sum(one.prompt_tokens for one in found),
        sum(one.completion_tokens for one in found),
    )


def _tokens(job: Job, corpus: Passages, task: str, requests: int, shown: int = 1) -> Estimate:
    prompt = job.prompts[task]
    passages = corpus.sample[:_PROMPTS]
    made_up = {"query": "a question of about ten words, as queries usually are"}
    texts = [name for name in prompt.placeholders if name != "query"]
    values = [{**dict.fromkeys(texts, one), **made_up} for one in passages] if texts else [made_up]
    if "passages" in texts:
        values = [{**value, "passages": "\n\n".join([value["passages"]] * shown)} for value in values]
    values = [{name: value[name] for name in prompt.placeholders} for value in values]
    sample = [
        Request(
            "",
            task,
            prompt.messages(**value),
            prompt.schema,
            prompt.sha256,
            prompt.max_tokens,
            0.0,
            1.0,
            0,
            job.recipe.thinking,
        )
        for value in values
    ]
    return estimate(sample, requests)


def _memory(corpus: Passages, speeds: _Speeds) -> int | None:
    """The largest stage's: BM25's indexing, a shard at a time, or a model's that could be measured."""
    if corpus.documents is None:
        return None
    models = [_MODELS + found.weight_bytes for found in (speeds.dense, speeds.pairs) if found]
    return round(max(_BASE + _A_DOCUMENT * min(corpus.documents, _SHARD), *models, 0))


def _disk(job: Job, corpus: Passages, queries: int, speeds: _Speeds) -> int | None:
    """The corpus, the index, the vectors while they are searched, and of every method the scored candidates and the rows."""
    if corpus.documents is None:
        return None
    recipe = job.recipe
    mined = [method for method in recipe.methods if not METHODS[method].written]
    texts = queries * (recipe.depth * len(mined) + (recipe.negatives + 1) * len(recipe.methods))
    vectors = 4 * corpus.documents * speeds.dense.dimension if speeds.dense else 0
    return round(corpus.characters * _PARQUET * (corpus.documents * 2 + texts) + vectors)
