"""Negatives that a language model writes.

From the query's text only (`llm`, arXiv 2504.21015), from query and positive (`llm-pos`), or among passages of every level
of relevance (`llm-graded`, arXiv 2503.23239).
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from hnhub.errors import InputError
from hnhub.llm.prompts import Prompt
from hnhub.llm.types import Answer, LanguageModel, Request
from hnhub.negatives._copies import generated_fault, is_copy
from hnhub.negatives._parts import make_parts
from hnhub.negatives._texts import texts_of
from hnhub.negatives.cut import BY_GRADE
from hnhub.negatives.mining import Mining
from hnhub.progress import report
from hnhub.records import METHODS, Drop, Provenance, Recipe
from hnhub.schema import CANDIDATES, LEDGER, arrow_schema
from hnhub.stages import fingerprint
from hnhub.text.sound import unsound

__all__ = ["MAX_ROUNDS", "NEGATIVES_OF_A_GRADED", "make_candidates"]

log = logging.getLogger(__name__)

MAX_ROUNDS = 3
"""Each round asks once more for every negative that is missing: at most so many times `recipe.negatives` asks a query."""

NEGATIVES_OF_A_GRADED = 2
"""Of the four passages that an answer of `llm-graded` brings: those of relevance 1 and 0."""

_BATCH = 1024
# Queries whose texts are held at once; large enough that the model is rarely idle between two batches.
_COUNTED = ("queries", "asked", "candidates", "short", "prompt_tokens", "completion_tokens")


@dataclass
class _Query:
    query_id: str
    query: str
    positive_id: str
    positive: str
    asked: int = 0
    usable: list[str] = field(default_factory=list)
    found: list[tuple[str, int | None, Provenance]] = field(default_factory=list)
    """Texts in the order in which they came, with the level that was asked for."""


def make_candidates(out: Path, work: Path, mining: Mining) -> dict[str, Any]:
    """Write candidates.parquet (CANDIDATES) and ledger.parquet into `out`; return the facts.

    Each query is asked for until `recipe.negatives` texts are there that are no copies of query, positive or each other,
    or for MAX_ROUNDS rounds. Every text that came is a candidate, in the order of the asks (the guard judges them); an
    ask that failed, or brought an example of the prompt or what is no text (`hnhub.text.sound`), stands in the ledger. A query's positive stands before its candidates.
    """
    recipe, method, queries = mining.recipe, mining.method, mining.queries
    assert mining.model is not None
    assert mining.prompt is not None
    make = partial(
        _make_part,
        documents=mining.documents,
        queries=queries,
        recipe=recipe,
        method=method,
        model=mining.model,
        prompt=mining.prompt,
        corpus_revision=mining.corpus_revision,
    )
    parts = make_parts(out, work, make, queries=queries, size=_BATCH, engine=mining.engine)
    totals = Counter[str]()
    dropped = Counter[str]()
    for part in parts:
        totals.update({name: part[name] for name in _COUNTED})
        dropped.update(part["dropped"])
    if totals["short"]:
        log.warning(
            "%s: %d of %d queries got fewer than %d usable negatives",
            method,
            totals["short"],
            totals["queries"],
            recipe.negatives,
        )
    return {"method": method, **{name: totals[name] for name in _COUNTED}, "dropped": dict(sorted(dropped.items()))}


def _make_part(
    out: Path,
    _: Path,
    part: slice,
    *,
    documents: Path,
    queries: Path,
    recipe: Recipe,
    method: str,
    model: LanguageModel,
    prompt: Prompt,
    corpus_revision: str,
) -> dict[str, Any]:
    frozen = pl.read_parquet(queries, columns=["query_id", "query", "positive_ids"])
    batch = _batch(frozen[part], documents)
    by_id = {one.query_id: one for one in batch}
    totals = Counter[str](queries=len(batch))
    drops: list[Drop] = []
    dropped = Counter[str]()
    wanted = recipe.negatives
    done, total = part.start * wanted, len(frozen) * wanted
    report("negatives written", done, total, unit="negatives")
    for _round in range(MAX_ROUNDS):
        requests = list(_requests(batch, method, recipe, prompt))
        for query_id, answer in _ask(model, requests):
            one = by_id[query_id]
            missing = max(0, wanted - len(one.usable))
            gone = _take(one, answer, prompt, method, corpus_revision, language=recipe.language)
            drops += gone
            dropped.update(drop.reason for drop in gone)
            done += missing - max(0, wanted - len(one.usable))
            totals.update(asked=1, prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens)
            report("negatives written", done, total, unit="negatives", dropped=dropped)
    totals["short"] = sum(len(one.usable) < recipe.negatives for one in batch)
    plain = Provenance(method, corpus_revision=corpus_revision)
    rows = [row for one in batch for row in _rows(one, plain)]
    totals["candidates"] = len(rows) - len(batch)
    table = pl.DataFrame(rows, schema=CANDIDATES).to_arrow().cast(arrow_schema(CANDIDATES))
    pq.write_table(table, out / "candidates.parquet", compression="zstd", row_group_size=max(1, len(table)))
    ledger = pl.DataFrame([asdict(drop) for drop in drops], schema=LEDGER).to_arrow().cast(arrow_schema(LEDGER))
    pq.write_table(ledger, out / "ledger.parquet", compression="zstd")
    return {**{name: totals[name] for name in _COUNTED}, "dropped": dropped}


def _batch(frozen: pl.DataFrame, documents: Path) -> list[_Query]:
    found = texts_of(documents, frozen["positive_ids"].list.first())
    batch = []
    for query_id, query, (positive_id, *_) in frozen.iter_rows():
        if positive_id not in found:
            raise InputError(
                f"{documents}: has no document {positive_id!r} (the positive of query {query_id!r})", do="build again"
            )
        batch.append(_Query(query_id, query, positive_id, found[positive_id]))
    return batch


def _requests(batch: Sequence[_Query], method: str, recipe: Recipe, prompt: Prompt) -> Iterator[tuple[str, Request]]:
    """As many asks for each query as negatives are missing; fewer, where an answer brings several."""
    several = bool(prompt.schema) and "negatives" in json.loads(prompt.schema or "")["properties"]
    each = NEGATIVES_OF_A_GRADED if prompt.task == "graded" else 1
    for one in batch:
        missing = recipe.negatives - len(one.usable)
        known = {"query": one.query, "positive": one.positive}
        values = {name: known[name] for name in prompt.placeholders}
        for _ in range(min(missing, 1) if several else math.ceil(missing / each)):
            parts = {"seed": recipe.seed, "method": method, "query": one.query_id, "ask": one.asked}
            yield (
                one.query_id,
                Request(
                    id=f"{one.query_id}#{one.asked}",
                    method=method,
                    messages=prompt.messages(**values),
                    schema=prompt.schema,
                    prompt_sha256=prompt.sha256,
                    max_tokens=prompt.max_tokens,
                    temperature=recipe.temperature,
                    top_p=recipe.top_p,
                    seed=int(fingerprint(parts)[:8], 16) >> 1,
                ),
            )
            one.asked += 1


def _ask(model: LanguageModel, requests: Sequence[tuple[str, Request]]) -> Iterator[tuple[str, Answer]]:
    answers = model.ask(request for _, request in requests)
    for (query_id, _), answer in zip(requests, answers, strict=True):
        yield query_id, answer


def _take(
    one: _Query, answer: Answer, prompt: Prompt, method: str, corpus_revision: str, *, language: str | None
) -> list[Drop]:
    """Add an answer's texts to the query's candidates; return what was dropped."""

    def drop(reason: str, detail: str | None) -> Drop:
        return Drop(f"candidates/{method}", reason, method, one.query_id, detail=detail)

    if answer.failure is not None:
        return [drop("model_failure", answer.failure)]
    drops = []
    provenance = replace(answer.provenance, method=method, corpus_revision=corpus_revision)
    examples = [turn.content for turn in prompt.turns if turn.role == "assistant"]
    texts = prompt.leveled(answer)
    for text, level in texts:
        if any(is_copy(text, example) for example in examples):
            drops.append(drop("prompt_example", text))
            continue
        if reason := unsound(text, language=language, longest=_longest(prompt)):
            drops.append(drop(reason, text))
            continue
        one.found.append((text, level, provenance))
        if BY_GRADE[level or 0] == "keep" and not generated_fault(
            text, query=one.query, positive=one.positive, earlier=one.usable
        ):
            one.usable.append(text)
    return drops if texts else [drop("empty", None)]


def _longest(prompt: Prompt) -> int | None:
    """The characters that the schema allows a negative."""
    properties = json.loads(prompt.schema)["properties"] if prompt.schema else {}
    negatives = properties.get("relevance_0") or properties.get("negatives", {}).get("items", {})
    longest = properties.get("negative", negatives).get("maxLength")
    return None if longest is None else int(longest)


def _rows(one: _Query, plain: Provenance) -> Iterator[dict[str, Any]]:
    empty = {"query_id": one.query_id, "document_id": None, "text": None, "rank": None, "score": None}
    highest = 3.0 if METHODS[plain.method].graded else None
    yield {**empty, "document_id": one.positive_id, "label": 1, "score": highest, "provenance": asdict(plain)}
    for rank, (text, level, provenance) in enumerate(one.found, 1):
        yield {**empty, "text": text, "label": 0, "rank": rank, "score": level, "provenance": asdict(provenance)}
