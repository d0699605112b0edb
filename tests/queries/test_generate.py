"""Queries written by a model: rounds, filters, leaks, bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hnhub.errors import InputError, UsageError
from hnhub.llm.prompts import find_prompt
from hnhub.queries.make import make_queries
from hnhub.records import Recipe
from hnhub.text.similarity import near_pairs


def write(out: Path, corpus: Path, model: Any, *, search: Any = None, **changes: Any) -> tuple[Any, Any, Any]:
    out.mkdir(parents=True)
    facts = make_queries(
        out,
        corpus=corpus,
        recipe=Recipe("tiny", **{"queries": 20, **changes}),
        models=() if model is None else [model],
        prompts={"query": find_prompt("query")},
        search=search,
        corpus_revision="r1",
    )
    return facts, pl.read_parquet(out / "queries.parquet"), pl.read_parquet(out / "ledger.parquet")


def test_rounds_go_on_until_enough_are_kept(corpus: Path, tmp_path: Path, rules: Any) -> None:
    facts, queries, ledger = write(tmp_path / "out", corpus, rules)
    assert facts["counts"] == {"train": 20}
    assert facts["rounds"] > 1
    # Every passage that was drawn became a query or stands in the ledger, once.
    assert facts["drawn"] == len(queries) + len(ledger)
    assert facts["asked"] == len(rules.requests) == facts["drawn"] - facts["dropped"].get("near_test_passage", 0)
    assert facts["prompt_tokens"] == 20 * facts["asked"]
    assert queries["query_id"].to_list() == [f"q-{ids[0]}" for ids in queries["positive_ids"]]
    assert not near_pairs(queries["query"].to_list())
    places = [ids[0] for ids in queries["positive_ids"]]
    assert places == sorted(places, key=lambda place: int(place.removeprefix("d").replace("copy", "99")))
    provenance = queries["provenance"][0]
    assert (provenance["model"], provenance["corpus_revision"]) == ("rules", "r1")


def test_each_fault_has_its_reason(corpus: Path, tmp_path: Path, rules: Any) -> None:
    facts, _, ledger = write(tmp_path / "out", corpus, rules, queries=50)
    assert set(facts["dropped"]) >= {
        "model_failure",
        "empty",
        "too_long",
        "copied",
        "prompt_example",
        "near_test_passage",
    }
    assert {"equals_test", "near_duplicate", "duplicate"} & set(facts["dropped"])
    assert facts["counts"]["train"] + sum(facts["dropped"].values()) == facts["drawn"]
    failures = ledger.filter(pl.col("reason") == "model_failure")["detail"]
    assert set(failures) == {"not JSON after 3 asks"}


def test_passages_that_test_queries_need_are_left_alone(corpus: Path, tmp_path: Path, flawless: Any) -> None:
    facts, queries, ledger = write(tmp_path / "out", corpus, flawless, queries=100)
    assert (facts["passages"], facts["passages_judged_in_held_out"]) == (59, 2)
    used = {ids[0] for ids in queries["positive_ids"]}
    assert not used & {"d1", "d2", "copy"}
    assert ledger.filter(pl.col("reason") == "near_test_passage")["document_id"].to_list() == ["copy"]


def test_a_blank_passage_is_never_asked_about(corpus: Path, tmp_path: Path, flawless: Any) -> None:
    documents = pl.read_parquet(corpus / "documents.parquet")
    blank = pl.DataFrame([("blank", "...", "\u3000\n" * 3000)], schema=documents.schema, orient="row")
    pl.concat([documents, blank]).write_parquet(corpus / "documents.parquet")
    _, _, ledger = write(tmp_path / "out", corpus, flawless, queries=100)
    assert ledger.filter(pl.col("reason") == "blank_passage")["query_id"].to_list() == ["q-blank"]
    assert all(
        "Passage: Report" in r.messages[-1].content or "Passage: Title" in r.messages[-1].content
        for r in flawless.requests
    )


def test_round_trip_drops_what_does_not_find_its_passage(corpus: Path, tmp_path: Path, flawless: Any) -> None:
    asked = []

    def search(queries: Sequence[str], k: int) -> list[list[str]]:
        asked.extend(queries)
        assert k == 3
        numbers = [int(query.split()[3]) // 7919 for query in queries]
        return [[f"d{n}" if n % 2 else "d0"] for n in numbers]

    facts, queries, ledger = write(tmp_path / "out", corpus, flawless, search=search, round_trip=3, queries=10)
    assert {int(ids[0][1:]) % 2 for ids in queries["positive_ids"] if ids[0] != "d0"} == {1}
    assert facts["dropped"]["round_trip"] == ledger.filter(pl.col("reason") == "round_trip").height > 0
    assert len(asked) == len(set(asked)) == facts["asked"]
    facts, _, _ = write(tmp_path / "off", corpus, flawless, search=search, round_trip=None, queries=10)
    assert "round_trip" not in facts["dropped"]


def test_same_answers_same_bytes(corpus: Path, tmp_path: Path, rules: Any) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, corpus, rules)
    for file in ("queries.parquet", "ledger.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    _, other, _ = write(tmp_path / "c", corpus, rules, seed=1)
    assert other["query_id"].to_list() != pl.read_parquet(tmp_path / "a/queries.parquet")["query_id"].to_list()


def test_no_model_and_no_query_left_are_said(corpus: Path, tmp_path: Path, rules: Any) -> None:
    with pytest.raises(UsageError, match=r"without a model; .*--endpoint"):
        write(tmp_path / "a", corpus, None)
    rules.query = lambda source, seed: None
    with pytest.raises(InputError, match=r"no query is left \(model_failure 5\d"):
        write(tmp_path / "b", corpus, rules)
