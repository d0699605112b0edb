"""Candidates to negatives, on disk: verdicts, positions, ledger, shortfall, bytes."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hnhub.errors import InputError, RuleBroken
from hnhub.negatives import _eligible, _in_order
from hnhub.negatives.choose import make_negatives
from hnhub.records import Recipe
from hnhub.schema import CANDIDATES, DOCUMENTS, FROZEN_QUERIES, LEDGER, NEGATIVES, QRELS

PLACES = ("Norway", "Peru", "Chad", "Oman", "Laos", "Mali", "Cuba", "Fiji", "Iran", "Togo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """30 documents, 6 queries; query i has the positive d<i>, candidates d0..d19 in an order of its own; d25 repeats d5."""
    documents = [(f"d{i}", f"Ore {i}", f"Copper of {PLACES[i % 10]} was {'x' * i} number {i * 37}") for i in range(30)]
    documents[25] = ("d25", *documents[5][1:])
    pl.DataFrame(documents, schema=DOCUMENTS, orient="row").write_parquet(tmp_path / "documents.parquet")
    queries = [("train", f"q{i}", f"which copper comes from {PLACES[i]}", [f"d{i}", "d19"], None) for i in range(6)]
    pl.DataFrame(queries, schema=FROZEN_QUERIES, orient="row").write_parquet(tmp_path / "queries.parquet")
    qrels = [("test", "q1", "d7", 1), ("train", "q1", "d8", 0), ("train", "q2", "d9", 2), ("test", "other", "d3", 1)]
    pl.DataFrame(qrels, schema=QRELS, orient="row").write_parquet(tmp_path / "qrels.parquet")
    rows: list[tuple[Any, ...]] = []
    for i in range(6):
        rows.append((f"q{i}", f"d{i}", None, 1, None, 10.0, None))
        order = [(i + 3 * j) % 20 for j in range(20)]
        rows += [(f"q{i}", f"d{d}", None, 0, rank, 14 - rank / 2, None) for rank, d in enumerate(order, 1)]
    pl.DataFrame(rows, schema=CANDIDATES, orient="row").write_parquet(tmp_path / "candidates.parquet")
    return tmp_path


def make(
    folder: Path, *, name: str = "out", method: str = "bm25", **changes: Any
) -> tuple[Any, pl.DataFrame, pl.DataFrame]:
    out = folder / name
    out.mkdir()
    facts = make_negatives(
        out,
        method=method,
        candidates=folder / "candidates.parquet",
        documents=folder / "documents.parquet",
        queries=folder / "queries.parquet",
        qrels=folder / "qrels.parquet",
        recipe=Recipe("tiny", **{"negatives": 4, **changes}),
    )
    negatives, ledger = (pl.read_parquet(out / f"{name}.parquet") for name in ("negatives", "ledger"))
    assert negatives.schema == NEGATIVES
    assert ledger.schema == LEDGER
    return facts, negatives, ledger


def chosen(negatives: pl.DataFrame) -> dict[str, list[str]]:
    rows = negatives.drop_nulls("position").sort("position").group_by("query_id", maintain_order=True)
    return {key: frame["document_id"].to_list() for (key,), frame in rows}


def test_every_candidate_is_written_once_with_a_verdict(folder: Path) -> None:
    facts, negatives, ledger = make(folder)
    candidates = pl.read_parquet(folder / "candidates.parquet")
    assert negatives.select("query_id", "document_id", "rank").equals(
        candidates.select("query_id", "document_id", "rank")
    )
    dropped = negatives.filter(pl.col("verdict") != "keep")
    assert ledger.select("query_id", "document_id", "reason").equals(
        dropped.select("query_id", "document_id", "reason")
    )
    # The positive and d19 (a further positive) for each query, d7 by the test judgements of q1, d9 for q2.
    assert facts["dropped"] == {"positive": 6, "relevant": 8}
    assert facts["candidates"] == 120
    assert facts["usable"] == 120 - 14
    assert facts["chosen"] == 24
    assert facts["shortfall"] == {"queries": 0, "handling": "drop"}
    assert chosen(negatives)["q1"] == ["d4", "d10", "d13", "d16"]


def test_ce_is_cut_by_the_positives_score(folder: Path) -> None:
    facts, negatives, _ = make(folder, method="ce")
    # The positive has 10: promote from rank 8 (10.0) up, drop rank 9 (9.5 is the limit, and stays).
    cut = negatives.filter(pl.col("reason").is_in(["above_cut", "above_positive"]))
    assert set(cut["rank"]) <= set(range(1, 9))
    assert set(negatives.filter(pl.col("reason") == "above_positive")["verdict"]) == {"promote"}
    assert negatives.drop_nulls("position")["score"].max() == 9.5
    assert facts["cut"]["removed"] == len(cut)
    assert facts["cut"]["judged"] == 120 - 14
    assert facts["cut"]["share"] == round(len(cut) / 106, 6)
    facts, negatives, _ = make(folder, name="free", method="ce", max_percent=None)
    assert facts["cut"] == {"judged": 106, "removed": 0, "share": 0.0}
    facts, _, _ = make(folder, name="margin", method="ce", max_percent=None, max_margin=1.0)
    assert facts["cut"]["removed"] > 0


def test_without_a_positives_score_ce_takes_nothing(folder: Path) -> None:
    candidates = pl.read_parquet(folder / "candidates.parquet")
    candidates.filter((pl.col("label") == 0) | (pl.col("query_id") != "q2")).write_parquet(
        folder / "candidates.parquet"
    )
    facts, negatives, ledger = make(folder, method="ce")
    assert facts["dropped"]["positive_unscored"] == 17
    assert facts["shortfall"]["queries"] == 1
    assert "q2" not in chosen(negatives)
    assert ledger.filter(pl.col("reason") == "shortfall")["query_id"].to_list() == ["q2"]


@pytest.mark.parametrize("handling", ["drop", "keep", "fail"])
def test_shortfall(folder: Path, handling: str, caplog: pytest.LogCaptureFixture) -> None:
    candidates = pl.read_parquet(folder / "candidates.parquet")
    few = (pl.col("query_id") == "q1") & (pl.col("rank") > 4)
    none = pl.col("query_id") == "q4"
    candidates.filter(~few.fill_null(value=False) & ~none).write_parquet(folder / "candidates.parquet")
    if handling == "fail":
        with pytest.raises(RuleBroken, match=r"'q1' has 2 of 4 negatives; .*--on-shortfall"):
            make(folder, on_shortfall="fail")
        return
    facts, negatives, ledger = make(folder, on_shortfall=handling)
    assert facts["shortfall"] == {"queries": 2, "handling": handling}
    short = ledger.filter(pl.col("reason") == "shortfall")
    assert short["query_id"].to_list() == ["q1", "q4"]
    assert short["detail"].to_list() == [f"2 of 4 negatives; {handling}", f"0 of 4 negatives; {handling}"]
    assert len(chosen(negatives).get("q1", [])) == (2 if handling == "keep" else 0)
    assert len(chosen(negatives)["q0"]) == 4
    hint = {
        "drop": "are dropped; raise --depth, ask for fewer --negatives, or keep them by --on-shortfall keep",
        "keep": "are kept with them; raise --depth, ask for fewer --negatives",
    }[handling]
    assert f"bm25: 2 of 6 queries have fewer than 4 negatives and {hint}" in caplog.messages


def test_rank_window_and_sampling(folder: Path) -> None:
    facts, negatives, ledger = make(folder, sampling="random", rank_min=3, rank_max=12)
    ranks = negatives.drop_nulls("position")["rank"]
    assert 3 <= min(ranks.to_list()) <= max(ranks.to_list()) <= 12
    assert facts["outside_window"] == negatives.filter(pl.col("reason") == "outside_window").height > 0
    assert "outside_window" not in set(ledger["reason"])
    for _, frame in negatives.drop_nulls("position").group_by("query_id"):
        assert frame.sort("rank")["position"].to_list() == [1, 2, 3, 4]


@pytest.mark.parametrize("sampling", ["top", "random", "weighted", "stratified"])
def test_the_outcome_for_a_query_is_its_own(folder: Path, sampling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other queries, their order, and the size of the batches make no difference."""
    _, negatives, _ = make(folder, sampling=sampling)
    whole = chosen(negatives)
    monkeypatch.setattr(_in_order, "_QUERIES", 3)
    monkeypatch.setattr(_in_order, "_ROWS", 5)
    monkeypatch.setattr(_eligible, "_TEXTS_OF", 2)
    _, again, _ = make(folder, name="batched", sampling=sampling)
    assert again.equals(negatives)
    for file in ("candidates.parquet", "queries.parquet"):
        pl.read_parquet(folder / file).filter(pl.col("query_id").is_in(["q5", "q3"])).reverse().write_parquet(
            folder / file
        )
    _, part, _ = make(folder, name="part", sampling=sampling)
    assert part["query_id"].unique(maintain_order=True).to_list() == ["q5", "q3"]
    assert chosen(part) == {query: whole[query] for query in ("q5", "q3")}


def test_a_query_that_stands_twice_among_the_frozen_ones(folder: Path) -> None:
    queries = pl.read_parquet(folder / "queries.parquet")
    pl.concat([queries, queries[:1]]).write_parquet(folder / "queries.parquet")
    with pytest.raises(InputError, match="query id 'q0' stands there twice"):
        make(folder)


def test_same_input_same_bytes(folder: Path) -> None:
    for name in ("a", "b"):
        make(folder, name=name, sampling="weighted")
    for file in ("negatives.parquet", "ledger.parquet"):
        assert (folder / "a" / file).read_bytes() == (folder / "b" / file).read_bytes()


def test_generated_texts(folder: Path) -> None:
    texts = [
        "Tin is mined in Bolivia.",
        "which copper comes from Norway?",
        "TIN is mined in Bolivia",
        "",
        "Lead pipes are old.",
    ]
    rows = [("q0", "d0", None, 1, None, None, None)]
    rows += [("q0", None, text, 0, rank, None, None) for rank, text in enumerate(texts, 1)]
    pl.DataFrame(rows, schema=CANDIDATES, orient="row").write_parquet(folder / "candidates.parquet")
    facts, negatives, ledger = make(folder, method="llm", negatives=2, rank_min=4)
    assert negatives["reason"].to_list() == [None, None, "copies_query", "duplicate", "empty", None]
    assert negatives["position"].to_list() == [None, 1, None, None, None, 2]
    assert ledger["detail"].drop_nulls().to_list()[:3] == ["rank 2", "rank 3", "rank 4"]
    assert facts["shortfall"]["queries"] == 5


def test_a_document_of_the_same_text_is_no_second_negative(folder: Path) -> None:
    candidates = pl.read_parquet(folder / "candidates.parquet")
    candidates.with_columns(pl.col("document_id").replace("d6", "d25")).write_parquet(folder / "candidates.parquet")
    facts, negatives, _ = make(folder)
    assert facts["dropped"]["duplicate"] == 5
    assert facts["dropped"]["duplicate_of_relevant"] == 1
    assert negatives.filter(pl.col("reason") == "duplicate_of_relevant")["query_id"].to_list() == ["q5"]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("document_id", "d99", "document 'd99' is not in the corpus"), ("query_id", "q99", "query 'q99' is not among")],
)
def test_candidates_of_something_else_are_refused(folder: Path, column: str, value: str, message: str) -> None:
    candidates = pl.read_parquet(folder / "candidates.parquet")
    changed = candidates.with_columns(pl.when(pl.col("rank") == 3).then(pl.lit(value)).otherwise(column).alias(column))
    changed.write_parquet(folder / "candidates.parquet")
    with pytest.raises(InputError, match=message):
        make(folder)


def test_chunks_of_a_positives_file_are_dropped_where_hnhub_cut_the_corpus(folder: Path) -> None:
    number = pl.col("document_id").str.slice(1).cast(pl.Int64)
    for name in ("documents", "candidates"):
        table = pl.read_parquet(folder / f"{name}.parquet")
        table.with_columns(document_id=pl.format("f{}.md#{}", number // 5, number)).write_parquet(
            folder / f"{name}.parquet"
        )
    queries = [("train", f"q{i}", "which copper", [f"f{i // 5}.md#{i}"], None) for i in range(6)]
    pl.DataFrame(queries, schema=FROZEN_QUERIES, orient="row").write_parquet(folder / "queries.parquet")
    for chunked, siblings in ((True, 6 * 4), (False, 0)):
        out = folder / str(chunked)
        out.mkdir()
        paths = {name: folder / f"{name}.parquet" for name in ("candidates", "documents", "queries", "qrels")}
        facts = make_negatives(out, method="bm25", recipe=Recipe("tiny", negatives=4), chunked=chunked, **paths)
        assert facts["dropped"].get("sibling", 0) == siblings
