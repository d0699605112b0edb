"""Queries written by a language model, each from a sampled passage, which becomes its positive."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hnhub.llm.prompts import Prompt
from hnhub.llm.types import Answer, LanguageModel, Request
from hnhub.progress import report
from hnhub.queries.filter import fault, held_out_reasons, longest, repeat_reasons
from hnhub.queries.held_out import HeldOut, read_documents
from hnhub.records import WRITTEN_QUERIES, Drop, Provenance, Recipe
from hnhub.stages import fingerprint
from hnhub.text.similarity import best_near, normalise

__all__ = ["MAX_ASKED", "MAX_ROUNDS", "Search", "write_queries"]

log = logging.getLogger(__name__)

Search = Callable[[Sequence[str], int], list[list[str]]]
"""(queries, k) -> for each query the ids of the k best documents."""

MAX_ROUNDS = 8
MAX_ASKED = 5
"""Passages sampled at most, as a multiple of the queries wanted."""


@dataclass(frozen=True)
class _Written:
    row: int
    document_id: str
    passage: str
    query: str
    provenance: Provenance


def write_queries(
    corpus: Path,
    *,
    recipe: Recipe,
    model: LanguageModel,
    prompt: Prompt,
    search: Search | None,
    held_out: HeldOut,
    corpus_revision: str,
) -> tuple[list[dict[str, Any]], list[Drop], dict[str, Any]]:
    """Have as many queries written as the recipe says; return rows of FROZEN_QUERIES in document order, drops and facts.

    Passages are drawn in a seeded order, in rounds: each round asks for as many as should, by the share kept so far,
    be enough. Passages judged relevant to a held-out query, and near copies of those, are left alone. A round's
    queries pass the filters in the order in which their passages were drawn, so the outcome depends only on the answers.
    """
    wanted = recipe.query_limit or WRITTEN_QUERIES
    order = _draw(corpus, held_out, recipe.seed)
    state = _State(recipe, prompt, held_out, search)
    drawn = rounds = 0
    tokens = [0, 0]
    while len(state.kept) < wanted and rounds < MAX_ROUNDS:
        count = min(_count(wanted, len(state.kept), drawn), MAX_ASKED * wanted - drawn)
        rows = order[drawn : drawn + count]
        if not len(rows):
            break
        passages = read_documents(corpus, pl.DataFrame({"row": rows}))
        passages = pl.DataFrame({"row": rows}).join(passages, on="row", maintain_order="left")
        passages = state.usable(passages)
        requests = [_request(document_id, text, recipe, prompt) for _, document_id, text in passages.iter_rows()]
        answers = []
        for answer in model.ask(requests):
            answers.append(answer)
            tokens[0] += answer.prompt_tokens
            tokens[1] += answer.completion_tokens
            report("queries written", state.asked + len(answers), state.asked + len(requests))
        state.take(passages, answers, corpus_revision)
        drawn += len(rows)
        rounds += 1
    if len(state.kept) < wanted:
        log.warning("%d of %d queries were kept; see the ledger for the reasons", len(state.kept), wanted)
    chosen, surplus = state.kept[:wanted], state.kept[wanted:]
    drops = [*state.drops, *(_drop("surplus", one.document_id, one.query) for one in surplus)]
    facts = {
        "passages": len(order),
        "passages_judged_in_held_out": len(held_out.positives),
        "drawn": drawn,
        "asked": state.asked,
        "rounds": rounds,
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
    }
    return [_frozen(one) for one in sorted(chosen, key=lambda one: one.row)], drops, facts


class _State:
    """What the rounds have brought so far."""

    def __init__(self, recipe: Recipe, prompt: Prompt, held_out: HeldOut, search: Search | None) -> None:
        self._recipe, self._prompt, self._held_out, self._search = recipe, prompt, held_out, search
        self._longest = longest(prompt)
        self._examples = [turn.content for turn in prompt.turns if turn.role == "assistant"]
        self.kept: list[_Written] = []
        self.drops: list[Drop] = []
        self.asked = 0

    def usable(self, passages: pl.DataFrame) -> pl.DataFrame:
        """Without blank passages, and those that nearly equal one judged relevant to a held-out query."""
        blank = pl.Series([not normalise(text) for text in passages["text"]], dtype=pl.Boolean)
        for document_id in passages.filter(blank)["document_id"]:
            self.drops.append(_drop("blank_passage", document_id, None))
        passages = passages.filter(~blank)
        near = best_near(passages["text"].to_list(), self._held_out.positives["text"].to_list())
        for document_id, at in zip(passages["document_id"], near, strict=True):
            if at is not None:
                detail = f"near {self._held_out.positives['document_id'][at]}"
                self.drops.append(Drop("queries", "near_test_passage", document_id=document_id, detail=detail))
        return passages.filter(pl.Series([at is None for at in near], dtype=pl.Boolean))

    def take(self, passages: pl.DataFrame, answers: Sequence[Answer], corpus_revision: str) -> None:
        """Put a round's answers through the filters, the cheap ones first."""
        self.asked += len(answers)
        found: list[_Written] = []
        for (row, document_id, passage), answer in zip(passages.iter_rows(), answers, strict=True):
            query = next(iter(self._prompt.texts(answer)), "")
            reason, detail = "model_failure", answer.failure
            if answer.failure is None:
                reason = (
                    fault(
                        query,
                        passage,
                        longest=self._longest,
                        examples=self._examples,
                        language=self._recipe.language,
                    )
                    or ""
                )
                detail = query
            if reason:
                self.drops.append(_drop(reason, document_id, detail))
            else:
                provenance = replace(answer.provenance, corpus_revision=corpus_revision)
                found.append(_Written(row, document_id, passage, query, provenance))
        found = self._without(found, held_out_reasons([one.query for one in found], self._held_out))
        found = self._round_trip(found)
        known = len(self.kept)
        both = [*self.kept, *found]
        repeated = repeat_reasons([_query_id(one.document_id) for one in both], [one.query for one in both])
        self.kept += self._without(found, repeated[known:])

    def _without(self, found: list[_Written], reasons: Sequence[tuple[str, str] | None]) -> list[_Written]:
        for one, reason in zip(found, reasons, strict=True):
            if reason:
                self.drops.append(_drop(reason[0], one.document_id, f"{one.query} | {reason[1]}"))
        return [one for one, reason in zip(found, reasons, strict=True) if not reason]

    def _round_trip(self, found: list[_Written]) -> list[_Written]:
        k = self._recipe.round_trip
        if k is None or self._search is None or not found:
            return found
        rankings = self._search([one.query for one in found], k)
        lost = [one.document_id not in ranking for one, ranking in zip(found, rankings, strict=True)]
        return self._without(found, [("round_trip", f"passage not in the top {k}") if miss else None for miss in lost])


def _draw(corpus: Path, held_out: HeldOut, seed: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The rows of all passages that may be used, in a seeded order."""
    count = pl.scan_parquet(corpus / "documents.parquet").select(pl.len()).collect().item()
    order = np.random.default_rng(int(fingerprint({"seed": seed, "queries": "llm"})[:16], 16)).permutation(count)
    return order[~np.isin(order, held_out.positives["row"].to_numpy())].astype(np.uint32)


def _count(wanted: int, kept: int, drawn: int) -> int:
    """How many passages to draw next: what is missing over the share kept so far (at first: nine of ten), and a few."""
    share = max(kept / drawn, 0.1) if drawn else 0.9
    return math.ceil((wanted - kept) / share * 1.05)


def _request(document_id: str, text: str, recipe: Recipe, prompt: Prompt) -> Request:
    return Request(
        id=_query_id(document_id),
        method="queries",
        messages=prompt.messages(passage=text),
        schema=prompt.schema,
        prompt_sha256=prompt.sha256,
        max_tokens=prompt.max_tokens,
        temperature=recipe.temperature,
        top_p=recipe.top_p,
        seed=int(fingerprint({"seed": recipe.seed, "method": "queries", "document": document_id})[:8], 16) >> 1,
    )


def _query_id(document_id: str) -> str:
    return f"q-{document_id}"


def _drop(reason: str, document_id: str, detail: str | None) -> Drop:
    return Drop("queries", reason, query_id=_query_id(document_id), document_id=document_id, detail=detail)


def _frozen(one: _Written) -> dict[str, Any]:
    return {
        "split": "train",
        "query_id": _query_id(one.document_id),
        "query": one.query,
        "positive_ids": [one.document_id],
        "provenance": asdict(one.provenance),
    }
