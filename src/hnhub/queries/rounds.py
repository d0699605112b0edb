"""What the rounds of asking have brought so far: queries that passed the filters, and why the others did not."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from hnhub.llm.prompts import Prompt
from hnhub.llm.types import Answer, LanguageModel, Request
from hnhub.progress import report
from hnhub.queries.distinct import alike_reasons, content_words
from hnhub.queries.filter import fault, held_out_reasons, longest, repeat_reasons
from hnhub.queries.held_out import HeldOut
from hnhub.queries.judge import judge_queries
from hnhub.queries.slots import Slot, draw, request_of
from hnhub.records import Drop, Provenance, Recipe
from hnhub.text.similarity import best_near, normalise

__all__ = ["Rounds", "Search", "Written"]

Search = Callable[[Sequence[str], int], list[list[str]]]
"""(queries, k) -> for each query the ids of the k best documents."""


@dataclass(frozen=True)
class Written:
    """A query that a model wrote."""

    slot: Slot
    query: str
    provenance: Provenance
    words: frozenset[str]
    """Its content words."""


class Rounds:
    """What the rounds have brought so far."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        models: Sequence[LanguageModel],
        prompts: Mapping[str, Prompt],
        held_out: HeldOut,
        search: Search | None,
        corpus_revision: str,
    ) -> None:
        """As `write_queries` is given them."""
        self.recipe = recipe
        self._models, self._prompts, self._held_out, self._search = models, prompts, held_out, search
        self._corpus_revision = corpus_revision
        self._kept: list[Written] = []
        self._known: set[str] = set()
        self.drops: list[Drop] = []
        self._dropped: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        """`drawn` passages, `asked`, `rounds`, `prompt_tokens`, `completion_tokens`."""

    def needs_second(self, style: str | None) -> bool:
        """Whether a style's prompt takes two passages."""
        return "second" in self._prompt(style).placeholders

    def drop(self, reason: str, slot: Slot, detail: str | None) -> None:
        """Note why a query is none."""
        self._note(Drop("queries", reason, query_id=slot.query_id, document_id=slot.document_id, detail=detail))

    def _note(self, drop: Drop) -> None:
        self.drops.append(drop)
        self._dropped[drop.reason] += 1

    def usable(self, passages: pl.DataFrame) -> pl.DataFrame:
        """Without blank passages, and those that nearly equal one judged relevant to a held-out query."""
        blank = pl.Series([not normalise(text) for text in passages["text"]], dtype=pl.Boolean)
        for document_id in passages.filter(blank)["document_id"]:
            self._once(Drop("queries", "blank_passage", query_id=f"q-{document_id}", document_id=document_id))
        passages = passages.filter(~blank)
        near = best_near(passages["text"].to_list(), self._held_out.positives["text"].to_list())
        for document_id, at in zip(passages["document_id"], near, strict=True):
            if at is not None:
                detail = f"near {self._held_out.positives['document_id'][at]}"
                self._once(Drop("queries", "near_test_passage", document_id=document_id, detail=detail))
        return passages.filter(pl.Series([at is None for at in near], dtype=pl.Boolean))

    def _once(self, drop: Drop) -> None:
        """A passage may come twice: as the second of another, and by itself."""
        assert drop.document_id is not None
        if drop.document_id not in self._known:
            self._known.add(drop.document_id)
            self._note(drop)

    def ask(self, slots: Sequence[Slot]) -> list[Written]:
        """Have a round's queries written and put them through the filters, the cheap ones first; return those that are kept."""
        asked = self.counts["asked"]
        requests = [
            (request_of(slot, self.recipe, self._prompt(slot.style)), draw(slot, self.recipe.seed, len(self._models)))
            for slot in slots
        ]
        found: list[Written] = []
        report("queries written", asked, asked + len(slots), unit="answers", dropped=self._dropped)
        for done, (slot, answer) in enumerate(zip(slots, _answers(self._models, requests), strict=True), 1):
            self._count(answer)
            if one := self._look(slot, answer):
                found.append(one)
            report("queries written", asked + done, asked + len(slots), unit="answers", dropped=self._dropped)
        self.counts["asked"] += len(slots)
        found = self._without(found, held_out_reasons([one.query for one in found], self._held_out))
        found = self._round_trip(found)
        found = self._distinct(found)
        found = self._judged(found)
        self._kept += found
        return found

    def _look(self, slot: Slot, answer: Answer) -> Written | None:
        prompt = self._prompt(slot.style)
        query = next(iter(prompt.texts(answer)), "")
        if answer.failure is not None:
            self.drop("model_failure", slot, answer.failure)
            return None
        examples = [turn.content for turn in prompt.turns if turn.role == "assistant"]
        language = self.recipe.language
        if reason := fault(query, slot.text, longest=longest(prompt), examples=examples, language=language):
            self.drop(reason, slot, query)
            return None
        provenance = replace(answer.provenance, corpus_revision=self._corpus_revision, style=slot.style)
        return Written(slot, query, provenance, content_words(query, language))

    def _distinct(self, found: list[Written]) -> list[Written]:
        for reasons in (self._near_copies, self._alike):
            known = len(self._kept)
            found = self._without(found, reasons([*self._kept, *found])[known:])
        return found

    @staticmethod
    def _near_copies(every: Sequence[Written]) -> list[tuple[str, str] | None]:
        return repeat_reasons([one.slot.query_id for one in every], [one.query for one in every])

    @staticmethod
    def _alike(every: Sequence[Written]) -> list[tuple[str, str] | None]:
        ids = [one.slot.query_id for one in every]
        return alike_reasons(ids, [one.words for one in every], [frozenset(one.slot.positive_ids) for one in every])

    def _judged(self, found: list[Written]) -> list[Written]:
        least = self.recipe.query_judge
        if least is None:
            return found
        asked = [(one.slot.query_id, one.query, one.slot.text) for one in found]
        reasons = []
        judged = judge_queries(self._models[0], self._prompts["query-judge"], asked, least=least, seed=self.recipe.seed)
        for reason, answer in judged:
            self._count(answer)
            reasons.append(reason)
            report("queries judged", len(reasons), len(asked), unit="queries", dropped=self._dropped)
        self.counts["asked"] += len(asked)
        return self._without(found, reasons)

    def _count(self, answer: Answer) -> None:
        self.counts["prompt_tokens"] += answer.prompt_tokens
        self.counts["completion_tokens"] += answer.completion_tokens

    def _without(self, found: list[Written], reasons: Sequence[tuple[str, str] | None]) -> list[Written]:
        for one, reason in zip(found, reasons, strict=True):
            if reason:
                self.drop(reason[0], one.slot, f"{one.query} | {reason[1]}")
        return [one for one, reason in zip(found, reasons, strict=True) if not reason]

    def _round_trip(self, found: list[Written]) -> list[Written]:
        k = self.recipe.round_trip
        if k is None or self._search is None or not found:
            return found
        rankings = self._search([one.query for one in found], k)
        lost = [not set(one.slot.positive_ids) & set(ranking) for one, ranking in zip(found, rankings, strict=True)]
        return self._without(found, [("round_trip", f"passage not in the top {k}") if miss else None for miss in lost])

    def _prompt(self, style: str | None) -> Prompt:
        return self._prompts[f"query.{style}" if style else "query"]


def _answers(models: Sequence[LanguageModel], requests: Sequence[tuple[Request, int]]) -> Iterator[Answer]:
    """Each request's answer from the model that was drawn for it, in order."""
    asked = [model.ask([request for request, at in requests if at == number]) for number, model in enumerate(models)]
    for _, at in requests:
        yield next(asked[at])
