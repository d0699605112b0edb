"""A judge's verdicts on what would become negatives: keep, drop as relevant, or promote to a second positive."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from hnhub.engine.local import LOCAL, Engine
from hnhub.errors import InputError
from hnhub.llm.prompts import Prompt
from hnhub.llm.types import Answer, LanguageModel, Request
from hnhub.negatives._eligible import Eligible, check_candidates, eligible_part
from hnhub.negatives._parts import make_parts
from hnhub.negatives.cut import BY_GRADE, cut
from hnhub.progress import report
from hnhub.records import Precision, Provenance, Recipe, Verdict
from hnhub.schema import JUDGEMENTS, arrow_schema
from hnhub.stages import fingerprint

__all__ = [
    "FAILED",
    "REASONS",
    "SHOWN",
    "Judge",
    "Judging",
    "Row",
    "cross_encoder_judge",
    "llm_judge",
    "make_judgements",
    "tokens_of",
]

SHOWN = 2
"""Candidates that a judge is shown for each negative that is wanted: so many may be vetoed before a query comes short."""

REASONS: dict[Verdict, str | None] = {"keep": None, "drop": "judged_relevant", "promote": "judged_positive"}
FAILED = "judge_failed"
"""The reason of what is kept because there was no answer."""

_QUERIES = 2048

Row = dict[str, Any]
"""A row of JUDGEMENTS without query and candidate, with `tokens` where a language model was asked."""


Judging = Callable[[Sequence[tuple[Eligible, int]]], Iterator[Row]]
"""Gives a row for each pair of a query and the index of one of its candidates, in order."""


@dataclass(frozen=True)
class Judge:
    """Who judges. Ray's workers get a copy."""

    opened: Callable[[Path], AbstractContextManager[Judging]]
    """A folder where partial results may be kept to what judges, opened once a part."""
    about: Callable[[], Mapping[str, object]] = dict
    """What only a worker knows and judgements depend on."""
    gpu: bool = False
    """Whether a GPU helps."""


def make_judgements(
    out: Path,
    work: Path,
    *,
    judge: Judge,
    method: str,
    candidates: Path,
    documents: Path,
    queries: Path,
    qrels: Path,
    recipe: Recipe,
    corpus_revision: str,
    chunked: bool = False,
    engine: Engine = LOCAL,
) -> dict[str, Any]:
    """Write judgements.parquet (JUDGEMENTS) into `out`; return the facts.

    The judge is shown, for every query, the first SHOWN times `recipe.negatives` candidates that guard, cut and rank window
    leave, in the order in which they would be taken. A candidate without an answer is kept, with the reason
    `judge_failed`. Raises InputError for candidates that name unknown queries or documents, or workers that judge in different
    dtypes.
    """
    check_candidates(candidates, pl.read_parquet(queries, columns=["query_id"]))
    eligible = partial(
        eligible_part,
        candidates,
        method=method,
        documents=documents,
        queries=queries,
        qrels=qrels,
        recipe=recipe,
        chunked=chunked,
    )
    part = partial(
        _judge_part, judge=judge, eligible=eligible, shown=SHOWN * recipe.negatives, corpus_revision=corpus_revision
    )
    parts = make_parts(out, work, part, queries=queries, size=_QUERIES, engine=engine, about=judge.about, gpu=judge.gpu)
    if any(one["about"] != parts[0]["about"] for one in parts):
        raise InputError("workers judge in different dtypes", do="use workers with one kind of GPU, or without")
    totals = Counter[str]()
    for one in parts:
        totals.update(one["totals"])
    # Of two judges the language model, wherever it was asked.
    made_by = max(reversed(parts), key=lambda one: "asked" in one["totals"])["made_by"]
    verdicts = {name: totals.pop(name, 0) for name in (*REASONS, FAILED)}
    counts = {"shown": SHOWN * recipe.negatives, "judged": sum(verdicts.values()), **verdicts, **totals}
    return {"judge": recipe.judge, "method": method, **made_by, **counts}


def _judge_part(
    out: Path,
    work: Path,
    part: slice,
    *,
    judge: Judge,
    eligible: Callable[[slice], list[Eligible]],
    shown: int,
    corpus_revision: str,
) -> dict[str, Any]:
    totals, made_by = Counter[str](), {"model": None, "revision": None}
    pairs = [(one, at) for one in eligible(part) for at in one.order[:shown]]
    rows = []
    with judge.opened(work) as judging:
        for number, ((one, at), row) in enumerate(zip(pairs, judging(pairs), strict=True), 1):
            document_id, text = one.candidates[at]
            asked = row.pop("tokens", {})
            totals.update(asked)
            totals[FAILED if row["reason"] == FAILED else row["verdict"]] += 1
            if asked or not totals["asked"]:  # of two judges the language model
                made_by = {name: getattr(row["provenance"], name) for name in made_by}
            provenance = asdict(replace(row["provenance"], method="judge", corpus_revision=corpus_revision))
            told = {"document_id": document_id, "text": text if document_id is None else None}
            rows.append({"query_id": one.query_id, **told, **row, "provenance": provenance})
            report("judged of these queries", number, len(pairs), unit="pairs", dropped=_dropped(totals))
    columns = arrow_schema(JUDGEMENTS)
    with pq.ParquetWriter(out / "judgements.parquet", columns, compression="zstd") as writer:
        writer.write_table(pl.DataFrame(rows, schema=JUDGEMENTS).to_arrow().cast(columns))
    return {"totals": dict(totals), "made_by": made_by, "about": judge.about()}


def _dropped(totals: Counter[str]) -> dict[str, int]:
    return {reason: totals[verdict] for verdict, reason in REASONS.items() if reason and totals[verdict]}


def tokens_of(answer: Answer) -> dict[str, int]:
    """What a request counts for."""
    return {"asked": 1, "prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens}


def llm_judge(model: LanguageModel, prompt: Prompt, seed: int) -> Judge:
    """One request a pair, answered without chance (temperature 0) by a grade of 0 to 3: 2 is a drop, 3 a promotion.

    The request depends on the two texts and the seed only, so the journal knows a pair that another method had judged.
    """
    own = int(fingerprint({"seed": seed})[:8], 16) >> 1

    def ask(one: Eligible, at: int) -> Request:
        document_id, passage = one.candidates[at]
        return prompt.judging(
            f"{one.query_id}#{document_id or at}", method="judge", seed=own, query=one.query, passage=passage
        )

    def judging(pairs: Sequence[tuple[Eligible, int]]) -> Iterator[Row]:
        for answer in model.ask(ask(one, at) for one, at in pairs):
            said = prompt.texts(answer)
            row: Row = {"score": None, "provenance": answer.provenance, "tokens": tokens_of(answer)}
            if said and said[0] in ("0", "1", "2", "3"):
                verdict = BY_GRADE[int(said[0])]
                row |= {"score": float(said[0]), "detail": f"relevance {said[0]}"}
                yield {**row, "verdict": verdict, "reason": REASONS[verdict]}
            else:
                detail = answer.failure or "the answer is no grade from 0 to 3"
                yield {**row, "verdict": "keep", "reason": FAILED, "detail": detail}

    return Judge(lambda _: nullcontext(judging))  # answers are in the journal


def cross_encoder_judge(
    cross_encoder: str, precision: Precision, max_percent: float | None, max_margin: float | None
) -> Judge:
    """The cut's rule (at least one limit) for any method: every candidate is scored beside the query's positive.

    The judge raises as `scorers.find_reference` and `scorers.load_scorers`.
    """

    @contextmanager
    def opened(work: Path) -> Iterator[Judging]:
        from hnhub.encode.devices import devices, token_budget
        from hnhub.score.journal import ScoreJournal
        from hnhub.score.scorers import find_reference, load_scorers, score_pairs

        reference, scorers = find_reference(cross_encoder), load_scorers(cross_encoder, precision)
        journal = ScoreJournal(work, fingerprint({**reference.identity(), "dtype": scorers[0].dtype})[:16])
        provenance = Provenance(method="judge", model=reference.name, revision=reference.revision)
        budget = token_budget(devices()[0])

        def judging(pairs: Sequence[tuple[Eligible, int]]) -> Iterator[Row]:
            texts = [(one.query, text) for one, at in pairs for text in (one.positive, one.candidates[at][1])]
            scores = score_pairs(texts, scorers, journal, budget, lambda _: None) if texts else []
            for positive, score in zip(scores[::2], scores[1::2], strict=True):
                ((verdict, _),) = cut(positive, [score], max_percent=max_percent, max_margin=max_margin)
                yield {
                    "verdict": verdict,
                    "reason": REASONS[verdict],
                    "detail": f"score {score:.4f}, the positive's {positive:.4f}",
                    "score": score,
                    "provenance": provenance,
                }

        try:
            yield judging
        finally:
            journal.close()

    def about() -> dict[str, object]:
        from hnhub.score.scorers import load_scorers

        return {"dtype": load_scorers(cross_encoder, precision)[0].dtype}

    return Judge(opened, about, gpu=True)
