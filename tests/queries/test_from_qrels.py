"""Queries out of the corpus's own train split."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hnhub.corpus.load import make_corpus, resolve
from hnhub.errors import InputError
from hnhub.queries.make import make_queries
from hnhub.records import Recipe
from hnhub.schema import FROZEN_QUERIES, LEDGER


def take(out: Path, corpus: Path, **changes: Any) -> tuple[dict[str, Any], pl.DataFrame, pl.DataFrame]:
    out.mkdir(parents=True)
    recipe = Recipe("tiny", **{"queries_from": "qrels", "queries": 1000, **changes})
    facts = make_queries(out, corpus=corpus, recipe=recipe, models=(), prompts={}, search=None, corpus_revision="r1")
    queries, ledger = (pl.read_parquet(out / f"{name}.parquet") for name in ("queries", "ledger"))
    assert queries.schema == FROZEN_QUERIES
    assert ledger.schema == LEDGER
    return facts, queries, ledger


def test_everything_is_kept_or_in_the_ledger(corpus: Path, tmp_path: Path) -> None:
    facts, queries, ledger = take(tmp_path / "out", corpus)
    assert facts["counts"] == {"train": 30, "dev": 1}
    assert facts["dropped"] == {"duplicate": 1, "equals_test": 1, "near_test": 1}
    assert facts["positives_judged_in_held_out"] == 2
    reasons = {row["query_id"]: (row["reason"], row["detail"]) for row in ledger.iter_rows(named=True)}
    assert reasons["leak"] == ("equals_test", "t0")
    assert reasons["near"] == ("near_test", "t0")
    # Of two with the same text the one drawn first stays, the other names it.
    (same,) = {"same", "q0"} & set(reasons)
    assert reasons[same] == ("duplicate", ({"same", "q0"} - {same}).pop())
    ids = queries["query_id"].to_list()
    assert ids == sorted(ids, key=[*(f"q{i}" for i in range(30)), "same", "v0"].index)
    assert not {"unjudged", "t0", "t1"} & set(ids)


def test_the_best_judged_document_comes_first_then_document_order(corpus: Path, tmp_path: Path) -> None:
    _, queries, _ = take(tmp_path / "out", corpus)
    assert queries.filter(pl.col("query_id") == "q5")["positive_ids"].item().to_list() == ["d40", "d50", "d5"]


def test_the_sample_depends_on_the_seed_only(corpus: Path, tmp_path: Path) -> None:
    facts, first, _ = take(tmp_path / "a", corpus, queries=10)
    _, again, _ = take(tmp_path / "b", corpus, queries=10)
    _, other, _ = take(tmp_path / "c", corpus, queries=10, seed=1)
    assert facts["counts"] == {"train": 10, "dev": 1}
    for name in ("queries.parquet", "ledger.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert first.equals(again)
    assert first["query_id"].to_list() != other["query_id"].to_list()


def test_a_query_in_two_splits_is_taken_for_one(corpus: Path, tmp_path: Path) -> None:
    queries = pl.read_parquet(corpus / "queries.parquet")
    twice = queries.filter(pl.col("query_id") == "q3").with_columns(split=pl.lit("dev"))
    pl.concat([queries, twice]).write_parquet(corpus / "queries.parquet")
    qrels = pl.read_parquet(corpus / "qrels.parquet")
    judged = qrels.filter(pl.col("query_id") == "q3").with_columns(split=pl.lit("dev"))
    pl.concat([qrels, judged]).write_parquet(corpus / "qrels.parquet")
    facts, frozen, _ = take(tmp_path / "out", corpus)
    assert frozen["query_id"].is_unique().all()
    assert facts["dropped"]["duplicate"] == 2


def test_a_corpus_with_test_queries_only_is_refused(corpus: Path, tmp_path: Path) -> None:
    queries = pl.read_parquet(corpus / "queries.parquet").filter(pl.col("split") == "test")
    queries.write_parquet(corpus / "queries.parquet")
    with pytest.raises(InputError, match=r"no train queries; .*--queries-from llm"):
        take(tmp_path / "out", corpus)


def test_without_a_test_split_dev_is_held_out(corpus: Path, tmp_path: Path) -> None:
    queries = pl.read_parquet(corpus / "queries.parquet").filter(pl.col("split") != "test")
    queries.write_parquet(corpus / "queries.parquet")
    facts, frozen, _ = take(tmp_path / "out", corpus)
    assert facts["evaluation_splits"] == ["dev"]
    assert set(frozen["split"]) == {"train"}


def test_scifact(beir: Path | None, tmp_path: Path) -> None:
    """Its train split restates 83 of its test claims, mostly negated."""
    if beir is None:
        pytest.skip("SciFact is not on this machine")
    (tmp_path / "corpus").mkdir()
    make_corpus(tmp_path / "corpus", resolve("scifact", beir / "scifact"))
    facts, _, _ = take(tmp_path / "out", tmp_path / "corpus")
    assert facts["drawn"] == 809
    assert facts["dropped"] == {"duplicate": 2, "equals_test": 2, "near_test": 81}
