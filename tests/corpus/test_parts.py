"""Repositories that hold several corpora, in MIRACL's and BRIGHT's layouts; documents that a ranking leaves out."""

from pathlib import Path

import polars as pl
import pytest

import hnhub
from hnhub.corpus.load import Source, again, resolve
from hnhub.errors import InputError


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))


def parquet(path: Path, **columns: list[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns).write_parquet(path)


@pytest.fixture
def miracl(tmp_path: Path) -> Path:
    folder = tmp_path / "miracl"
    for part, words in (("sw", ["maji moto", "maji baridi"]), ("de", ["heisses Wasser", "kaltes Wasser"])):
        parquet(
            folder / f"{part}-corpus" / "dev-00000-of-00001.parquet", _id=["1#0", "2#0"], title=["", ""], text=words
        )
        parquet(folder / f"{part}-queries" / "dev-00000-of-00001.parquet", _id=["q1"], text=[words[0]])
        parquet(
            folder / f"{part}-qrels" / "dev-00000-of-00001.parquet",
            **{"query-id": ["q1", "q1"], "corpus-id": ["1#0", "2#0"], "score": [1, 0]},
        )
    return folder


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    folder = tmp_path / "BRIGHT"
    parquet(
        folder / "documents" / "biology-00000-of-00001.parquet",
        id=["a/1.txt", "a/2.txt", "b/1.txt"],
        content=["cells divide to grow", "cells divide and divide", "rivers flow"],
    )
    parquet(
        folder / "examples" / "biology-00000-of-00001.parquet",
        id=["0", "1"],
        query=["why do cells divide", "where do rivers flow"],
        gold_ids=[["a/1.txt"], ["b/1.txt"]],
        excluded_ids=[["a/2.txt"], ["N/A"]],
    )
    parquet(folder / "documents" / "pony-00000-of-00001.parquet", id=["p"], content=["ponies"])
    return folder


def test_a_language_of_miracl(miracl: Path) -> None:
    corpus = hnhub.open_corpus(f"{miracl}:sw")
    assert (corpus.name, corpus.documents, dict(corpus.judged)) == ("miracl-sw", 2, {"dev": 1})
    assert corpus.to_frame()["text"].to_list() == ["maji moto", "maji baridi"]
    assert corpus.to_frame("qrels")["score"].to_list() == [1, 0]
    assert hnhub.open_corpus(f"{miracl}:de").revision != corpus.revision


def test_a_field_of_bright_with_what_its_rankings_leave_out(bright: Path) -> None:
    corpus = hnhub.open_corpus(f"{bright}:biology")
    assert (corpus.name, corpus.documents, dict(corpus.judged)) == ("BRIGHT-biology", 3, {"test": 2})
    run = {"0": {"a/2.txt": 3.0, "a/1.txt": 2.0, "b/1.txt": 1.0}, "1": {"b/1.txt": 1.0, "a/2.txt": 0.5}}
    found = hnhub.evaluate("mine", corpus, run=run, measures=["MRR@10"])
    assert found["MRR@10"] == 1.0
    assert {d for d, _ in found.run.ranking(0)} == {"a/1.txt", "b/1.txt"}
    searched = hnhub.evaluate("bm25", corpus, measures=["MRR@10"], depth=2)
    assert "a/2.txt" not in {d for d, _ in searched.run.ranking(0)}


def test_another_exclusion_is_another_corpus(bright: Path) -> None:
    before = hnhub.open_corpus(f"{bright}:biology").revision
    path = bright / "examples" / "biology-00000-of-00001.parquet"
    pl.read_parquet(path).with_columns(pl.Series("excluded_ids", [["N/A"], ["N/A"]])).write_parquet(path)
    assert hnhub.open_corpus(f"{bright}:biology").revision != before


def test_a_finished_corpus_is_found_again_by_its_part(bright: Path) -> None:
    source = resolve(f"{bright}:biology")
    assert again(source.identity(), bright) == source
    on_hub = Source("ann--BRIGHT-biology", None, hub_id="ann/BRIGHT", hub_revision="c" * 40, part="biology")
    assert again(on_hub.identity()) == on_hub
    judged = Source(
        "ann--x", None, hub_id="ann/x", hub_revision="c" * 40, qrels_hub_id="ann/y", qrels_hub_revision="d" * 40
    )
    assert again(judged.identity()) == judged


def test_a_part_that_there_is_not(bright: Path, miracl: Path) -> None:
    for name in (f"{bright}:physics", f"{bright}:pony", f"{miracl}:fr"):
        with pytest.raises(InputError, match="has no part"):
            hnhub.open_corpus(name)


def test_a_query_that_is_a_document_does_not_find_itself_under_any_name() -> None:
    """ArguAna's rule: the first document is its own query's, and is no answer to it."""
    documents = {"d1": "Trams are better than cars.", "d2": "Cars are better than trams.", "d3": "Rivers flow."}
    corpus = hnhub.open_corpus(documents, name="mine", queries={"d1": documents["d1"]}, qrels={"d1": ["d2"]})
    assert hnhub.evaluate("bm25", corpus, measures=["MRR@10"])["MRR@10"] == 1.0
    other = hnhub.open_corpus(documents, name="other", queries={"d1": "trams and cars"}, qrels={"d1": ["d1"]})
    assert hnhub.evaluate("bm25", other, measures=["MRR@10"])["MRR@10"] > 0
