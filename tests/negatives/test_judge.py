"""Judges: what they are shown, what their verdicts do to the negatives, and the real small models as judges."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hnhub.errors import InputError
from hnhub.llm.open import open_model
from hnhub.llm.prompts import find_prompt
from hnhub.llm.types import Answer, Request
from hnhub.negatives.choose import make_negatives
from hnhub.negatives.judge import Judge, cross_encoder_judge, llm_judge, make_judgements
from hnhub.negatives.judge_lists import cascade_judge, listwise_judge
from hnhub.records import Provenance, Recipe
from hnhub.schema import CANDIDATES, JUDGEMENTS, QRELS
from small_miners import write_cross_encoder, write_inputs, write_ranking

RANKING = {
    "q1": ["rain", "paris", "moon", "steel", "cells", "bread"],
    "q2": ["moon", "rain", "cells"],
    "q3": ["bread", "moon", "rain", "steel", "paris"],
}


class Grades:
    """A model that answers by the passage's title: a grade, or None for a failure."""

    def __init__(self, grades: dict[str, int | None]) -> None:
        self.grades = grades
        self.asked: list[Request] = []

    def ask(self, requests: Iterable[Request]) -> Iterator[Answer]:
        for request in requests:
            self.asked.append(request)
            passage = request.messages[-1].content.split("Passage: ")[1]
            grade = next((grade for title, grade in self.grades.items() if passage.startswith(title)), 0)
            by = Provenance("judge", model="grades", revision="1", seed=request.seed)
            if grade is None:
                yield Answer(request, None, None, "not JSON after 3 asks", 9, 3, by, cached=False)
            else:
                yield Answer(request, f"{grade}", {"relevance": grade}, None, 9, 3, by, cached=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_inputs(tmp_path)
    write_ranking(tmp_path / "candidates.parquet", RANKING)
    pl.DataFrame(schema=QRELS).write_parquet(tmp_path / "qrels.parquet")
    return tmp_path


def judged(
    folder: Path, judge: Judge, *, name: str = "judged", method: str = "bm25", **changes: Any
) -> tuple[dict[str, Any], pl.DataFrame, dict[str, Any], pl.DataFrame, pl.DataFrame]:
    """Facts and judgements, then facts, negatives and ledger."""
    inputs = {
        "method": method,
        "recipe": Recipe("tiny", **{"negatives": 2, "judge": "llm", **changes}),
        **{key: folder / f"{key}.parquet" for key in ("candidates", "documents", "queries", "qrels")},
    }
    first, second = folder / name, folder / f"{name}-negatives"
    first.mkdir()
    second.mkdir()
    facts = make_judgements(first, folder / f"{name}-work", judge=judge, corpus_revision="r1", **inputs)
    judgements = pl.read_parquet(first / "judgements.parquet")
    assert judgements.schema == JUDGEMENTS
    chosen = make_negatives(second, judgements=first / "judgements.parquet", **inputs)
    return facts, judgements, chosen, *(pl.read_parquet(second / f"{kind}.parquet") for kind in ("negatives", "ledger"))


def ask(model: Any) -> Judge:
    return llm_judge(model, find_prompt("judge"), seed=0)


class Lists:
    """A model that grades numbered passages by their titles; a query of `without` gets one grade too few."""

    def __init__(self, grades: dict[str, int], without: str | None = None) -> None:
        self.grades, self.without = grades, without
        self.asked: list[Request] = []

    def ask(self, requests: Iterable[Request]) -> Iterator[Answer]:
        for request in requests:
            self.asked.append(request)
            passages = re.findall(r"^\[\d+\] (\w+)", request.messages[-1].content, flags=re.MULTILINE)
            found = [self.grades.get(title, 0) for title in passages]
            if self.without and request.id.startswith(self.without):
                found.pop()
            by = Provenance("judge", model="lists", revision="1", seed=request.seed)
            said = {"answer": "It is so.", "relevance": found}
            yield Answer(request, json.dumps(said), said, None, 90, 9, by, cached=False)


def test_a_querys_passages_are_judged_in_one_request(folder: Path) -> None:
    model = Lists({"Rain": 2, "Moon": 3, "Steel": 1}, without="q3")
    facts, judgements, *_ = judged(folder, listwise_judge(model, find_prompt("judge-list"), seed=0))
    assert (facts["judged"], facts["asked"], facts["prompt_tokens"]) == (11, 3, 270)
    assert judgements["score"].to_list()[:7] == [2.0, 3.0, 1.0, 0.0, 3.0, 2.0, 0.0]
    assert judgements["verdict"].to_list()[:4] == ["drop", "promote", "keep", "keep"]
    assert set(judgements.filter(query_id="q3")["reason"]) == {"judge_failed"}
    assert set(judgements.filter(query_id="q3")["detail"]) == {"3 grades for 4 passages"}


def test_more_passages_than_an_answer_holds_are_several_requests(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole, *_ = judged(folder, listwise_judge(Lists({"Moon": 3}), find_prompt("judge-list"), seed=0))
    monkeypatch.setattr("hnhub.negatives.judge_lists.AT_ONCE", 2)
    model = Lists({"Moon": 3})
    facts, parts, *_ = judged(folder, listwise_judge(model, find_prompt("judge-list"), seed=0), name="parts")
    assert (facts["judged"], facts["asked"]) == (11, 6)
    assert parts["verdict"].to_list() == whole["verdict"].to_list()
    assert [len(re.findall(r"^\[\d+\]", one.messages[-1].content, flags=re.MULTILINE)) for one in model.asked] == [
        2, 2, 2, 1, 2, 2,
    ]  # fmt: skip


def test_the_strong_judge_is_asked_of_what_the_weak_one_would_not_keep(folder: Path) -> None:
    weak = ask(Grades({"Rain": 2, "Moon": 3, "Bread": 2}))
    strong = Lists({"Moon": 3, "Bread": 1}, without="q3")
    facts, judgements, *_ = judged(folder, cascade_judge(weak, listwise_judge(strong, find_prompt("judge-list"), 0)))
    shown = [re.findall(r"^\[\d+\] (\w+)", one.messages[-1].content, flags=re.MULTILINE) for one in strong.asked]
    assert shown == [["Rain", "Moon"], ["Moon", "Rain"], ["Bread", "Moon", "Rain"]]
    assert judgements.filter(query_id="q1")["verdict"].to_list() == ["keep", "promote", "keep", "keep"]
    assert judgements["detail"][0] == "relevance 2; relevance 0"
    # Without an answer of the strong judge the weak one's word stands.
    assert judgements.filter(query_id="q3")["verdict"].to_list() == ["drop", "promote", "drop", "keep"]
    assert facts["asked"] == 11 + 3


def test_verdicts_are_kept_and_obeyed(folder: Path) -> None:
    model = Grades({"Rain": 2, "Moon": 3, "Bread": None, "Steel": 1})
    facts, judgements, chosen, negatives, ledger = judged(folder, ask(model))
    # Twice two for each query, in rank order, what the guard leaves: q1 lacks its positive, and bread is the fifth.
    assert facts["shown"] == 4
    shown = judgements.group_by("query_id", maintain_order=True).agg("document_id")["document_id"].to_list()
    assert shown == [["rain", "moon", "steel", "cells"], ["moon", "rain", "cells"], ["bread", "moon", "rain", "steel"]]
    assert {name: facts[name] for name in ("judged", "keep", "drop", "promote", "judge_failed", "asked")} == {
        "judged": 11, "keep": 4, "drop": 3, "promote": 3, "judge_failed": 1, "asked": 11,
    }  # fmt: skip
    assert (facts["model"], facts["prompt_tokens"]) == ("grades", 99)
    assert judgements["provenance"].struct.field("method").unique().to_list() == ["judge"]

    marks = {(row["query_id"], row["document_id"]): row for row in negatives.to_dicts()}
    assert marks["q1", "rain"]["verdict"] == "drop"
    assert marks["q1", "rain"]["reason"] == "judged_relevant"
    assert marks["q1", "moon"]["verdict"] == "promote"
    assert marks["q1", "bread"]["reason"] == "not_judged"
    assert marks["q3", "bread"]["reason"] == "judge_failed"
    positions = negatives.drop_nulls("position").select("query_id", "document_id", "position").rows()
    assert positions == [("q1", "steel", 1), ("q1", "cells", 2), ("q3", "bread", 1), ("q3", "steel", 2)]
    # No backfill by what was not judged: q2 has one left, and comes short.
    assert chosen["shortfall"]["queries"] == 1
    assert chosen["dropped"] == {"judged_positive": 3, "judged_relevant": 3, "positive": 1}
    assert (chosen["not_judged"], chosen["judge_failed"]) == (2, 1)
    details = dict(ledger.filter(pl.col("query_id") == "q1").select("document_id", "detail").iter_rows())
    assert details == {"rain": "relevance 2", "moon": "relevance 3", "paris": None}
    failed = judgements.filter(reason="judge_failed").select("query_id", "document_id", "verdict", "detail", "score")
    assert failed.rows() == [("q3", "bread", "keep", "not JSON after 3 asks", None)]


def test_generated_texts_are_judged_too(folder: Path) -> None:
    rows = [("q1", None, text, 0, rank, None, None) for rank, text in enumerate(("Lyon lies by a river.", "Rome."), 1)]
    pl.DataFrame(rows, schema=CANDIDATES, orient="row").write_parquet(folder / "candidates.parquet")
    _, judgements, _, negatives, ledger = judged(folder, ask(Grades({"Lyon": 2})), method="llm", negatives=1)
    assert judgements.select("document_id", "text", "verdict").rows() == [
        (None, "Lyon lies by a river.", "drop"),
        (None, "Rome.", "keep"),
    ]
    assert negatives["position"].to_list() == [None, 1]
    assert ledger["detail"].to_list()[0] == "relevance 2; rank 1"


@pytest.mark.parametrize("sampling", ["random", "weighted"])
def test_the_judge_sees_what_would_be_taken(folder: Path, sampling: str) -> None:
    """With a judge who keeps everything, the negatives are those without a judge."""
    _, _, _, negatives, _ = judged(folder, ask(Grades({})), sampling=sampling)
    out = folder / "plain"
    out.mkdir()
    files = {key: folder / f"{key}.parquet" for key in ("candidates", "documents", "queries", "qrels")}
    make_negatives(out, method="bm25", recipe=Recipe("tiny", negatives=2, sampling=sampling), **files)
    plain = pl.read_parquet(out / "negatives.parquet")
    assert plain["position"].to_list() == negatives["position"].to_list()


def test_a_pair_is_one_request_for_every_method(folder: Path) -> None:
    one, other = Grades({}), Grades({})
    judged(folder, ask(one))
    judged(folder, ask(other), name="again", method="dense")
    assert one.asked == other.asked


def test_an_answer_without_a_grade_keeps_the_candidate(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'task = "judge"\nmax_tokens = 5\n[[messages]]\nrole = "user"\ncontent = "{{query}} Passage: {{passage}}"\n'
    )
    model = Grades({"Rain": 7, "Moon": 2})
    facts, judgements, *_ = judged(folder, llm_judge(model, find_prompt("judge", path=own), seed=0))
    assert facts["judge_failed"] == 3
    assert facts["drop"] == 3
    said = judgements.filter(pl.col("document_id") == "rain")["detail"].unique().to_list()
    assert said == ["the answer is no grade from 0 to 3"]


def test_a_cross_encoder_judges_by_the_cuts_rule(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    tiny = write_cross_encoder(tmp_path_factory.mktemp("ce"))
    facts, judgements, _, negatives, ledger = judged(folder, cross_encoder_judge(tiny, "auto", 0.95, None))
    assert facts["judged"] == 11
    assert {"drop", "promote"} & set(judgements["verdict"])
    assert facts["model"] == "tiny"
    for row in judgements.to_dicts():
        score, positive = map(float, row["detail"].removeprefix("score ").split(", the positive's "))
        assert score == pytest.approx(row["score"], abs=1e-4)
        kept = row["score"] <= positive - 0.05 * abs(positive)
        assert row["verdict"] == ("keep" if kept else "promote" if score >= positive else "drop")
    refused = negatives.filter(pl.col("reason").str.starts_with("judged_"))
    assert len(refused) == facts["drop"] + facts["promote"]
    assert set(refused["document_id"]) <= set(ledger["document_id"])
    judged(folder, cross_encoder_judge(tiny, "auto", 0.95, None), name="again")
    first, again = ((folder / name / "judgements.parquet").read_bytes() for name in ("judged", "again"))
    assert first == again


@pytest.mark.slow
def test_the_real_small_model_judges(folder: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(home))
    with open_model(["local"], journal=tmp_path / "journal.sqlite") as model:
        facts, judgements, *_ = judged(folder, ask(model), negatives=1)
        assert model.totals["judge"]["requests"] == facts["asked"] == len(judgements) == 6
        again, same, *_ = judged(folder, ask(model), negatives=1, name="again")
    assert again == facts
    assert same.equals(judgements)
    assert facts["judge_failed"] == 0
    assert judgements["score"].is_in([0.0, 1.0, 2.0, 3.0]).all()
    assert "SmolLM2" in facts["model"]


def test_judgements_of_another_kind_are_refused(folder: Path) -> None:
    pl.DataFrame({"query_id": ["q1"]}).write_parquet(folder / "odd.parquet")
    files = {key: folder / f"{key}.parquet" for key in ("candidates", "documents", "queries", "qrels")}
    with pytest.raises(InputError, match=r"odd\.parquet: has the columns query_id"):
        make_negatives(folder, method="bm25", recipe=Recipe("tiny"), judgements=folder / "odd.parquet", **files)
