"""A row for each judged pair, all judged queries, promoted positives: and what becomes no row is accounted for."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

import hnhub
from model_server import model_server
from small_corpus import write_corpus

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(home))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Query q0 has 4 positives, one of them the text of another; q1 has two; all others one; 40 are judged in train."""
    folder = write_corpus(tmp_path / "made", documents=200, queries=40)
    path = folder / "corpus.jsonl"
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    documents[150] = {**documents[100], "_id": "d150"}
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    more = "q0\td100\t2\nq0\td150\t1\nq0\td101\t1\nq1\td120\t1\n"
    judged = (folder / "qrels" / "train.tsv").read_text() + more
    (folder / "qrels" / "train.tsv").write_text(judged)
    return folder


def judged_pairs(folder: Path) -> set[tuple[str, str]]:
    lines = (folder / "qrels" / "train.tsv").read_text().splitlines()[1:]
    return {(line.split("\t")[0], line.split("\t")[1]) for line in lines}


def test_every_judged_pair_is_a_row_or_in_the_ledger(corpus: Path, tmp_path: Path) -> None:
    run = hnhub.build(corpus, name="made", methods=["bm25"], queries_from="qrels", negatives=3, out=tmp_path / "runs")
    assert run.validate() == []
    queries, ledger = run.to_frame("queries"), run.ledger
    texts = dict(
        pl.read_parquet(tmp_path / "runs/made/corpus/documents.parquet")
        .select("document_id", pl.concat_str("title", "text", separator=" "))
        .iter_rows()
    )
    known = {(row["query_id"], name) for row in queries.iter_rows(named=True) for name in row["positive_ids"]}
    assert known == judged_pairs(corpus)
    rows = run.to_frame("bm25").join(queries.select("query", "query_id"), on="query", how="left")
    made = {(row["query_id"], row["positive"]) for row in rows.iter_rows(named=True)}
    lost = {
        (row["query_id"], row["document_id"])
        for row in ledger.iter_rows(named=True)
        if row["reason"] == "repeats_positive"
    }
    assert lost == {("q0", "d150")}
    assert made == {(query, texts[name]) for query, name in known - lost}
    of_q0 = rows.filter(pl.col("query_id") == "q0")
    assert of_q0["positive"].to_list() == [texts["d100"], texts["d0"], texts["d101"]]  # the best judged first
    assert of_q0.select("negative_1", "negative_2", "negative_3").unique().height == 1
    negatives = set(of_q0.select("negative_1", "negative_2", "negative_3").row(0))
    assert not negatives & {texts[name] for name in ("d0", "d100", "d101", "d150")}
    scored = run.to_frame("bm25-scored").filter(pl.col("query_id") == "q0")
    positives = scored.filter(label=1)
    assert positives["document_id"].to_list() == ["d100", "d0", "d101", "d150"]
    # What the method retrieved of them stands there once, with its rank and score, and not among the dropped.
    assert not set(positives["document_id"]) & set(scored.filter(label=0)["document_id"])
    assert positives.drop_nulls("rank").height > 1
    assert positives.drop_nulls("rank")["score"].null_count() == 0


def test_with_a_limit_every_pair_is_counted_once(corpus: Path, tmp_path: Path) -> None:
    run = hnhub.build(
        corpus, name="made", methods=["bm25"], queries_from="qrels", negatives=3, positives=1, out=tmp_path / "runs"
    )
    repeats = run.ledger.filter(reason="repeats_positive").height
    beyond = sum(one["count"] for one in run.stats["left_out"] if one["what"] == "pairs")
    assert (repeats, beyond) == (1, 3)
    assert run.to_frame("queries")["positive_ids"].list.len().sum() == run.rows["bm25"]["train"] + repeats + beyond


def test_what_a_limit_leaves_out_is_counted(corpus: Path, tmp_path: Path, here: Run) -> None:
    given = ["made", "--corpus-dir", corpus, "--method", "bm25", "--queries-from", "qrels", "--out", tmp_path / "runs"]
    done = here("build", *given, "--queries", 10, "--positives", 1, "--negatives", 2)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "made" / "dataset"
    assert "train: 20 beyond --queries 10" in done.stderr
    stats = json.loads((folder / "stats.json").read_text())
    left = {(one["what"], one["split"], one["limit"]): one["count"] for one in stats["left_out"]}
    assert left["queries", "train", "--queries 10"] == 20
    assert stats["stats"]["rows"]["bm25"] == {"train": 10}
    assert "20 queries of train lie beyond `--queries 10`" in (folder / "README.md").read_text()
    assert here("validate", folder).returncode == 0
    whole = here("build", *given, "--positives", "all", "--negatives", 2, "--json")
    assert json.loads(whole.stdout)["rows"]["bm25"] == {"train": 33}
    assert json.loads((folder / "stats.json").read_text())["left_out"] == []
    wrong = here("build", *given, "--positives", "some")
    assert wrong.returncode == 2
    assert "'--positives': 'some' is no number of 1 or more, and not 'all'" in wrong.stderr


def test_all_judged_queries_are_taken_whatever_the_builder_has_written(corpus: Path, tmp_path: Path) -> None:
    builder = tmp_path / "builder.py"
    builder.write_text(
        'from hnhub import Recipe\nVERSION = "1.0.0"\nRECIPE = Recipe(corpus="made", queries=5, methods=("bm25",))\n'
    )
    given = {"name": "made", "builder": builder, "negatives": 2, "out": tmp_path / "runs"}
    run = hnhub.build(corpus, queries_from="qrels", **given)  # type: ignore[arg-type]
    assert run.rows["queries"] == {"train": 30}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with model_server() as server:
        yield server.url


def test_what_a_judge_promotes_may_become_a_positive(corpus: Path, endpoint: str, tmp_path: Path) -> None:
    def build(promote: str) -> hnhub.Run:
        return hnhub.build(
            corpus, name="made", methods=["bm25"], queries_from="qrels", judge="llm", promote=promote, negatives=2,
            endpoint=endpoint, on_shortfall="keep", out=tmp_path / promote,
        )  # fmt: skip

    dropped, kept = build("drop"), build("positive")
    promoted = dropped.to_frame("bm25-scored").filter(verdict="promote")
    assert len(promoted) > 5
    assert set(promoted["label"]) == {0}
    assert kept.validate() == dropped.validate() == []
    assert kept.rows["bm25"]["train"] == dropped.rows["bm25"]["train"] + len(promoted)
    further = kept.to_frame("bm25-scored").filter(verdict="promote")
    assert set(further["label"]) == {1}
    assert set(further["reason"]) == {"judged_positive"}
    assert further["provenance"].struct.field("method").null_count() == 0
    assert set(further["text"]) <= set(kept.to_frame("bm25")["positive"])
    assert "judged_positive" not in set(kept.ledger["reason"])
    assert "promoted is a further positive" in kept.card()


def test_every_split_that_is_reported_on_is_held_out(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (corpus / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq35\td35\t1\n")
    test = [line for line in (corpus / "qrels" / "test.tsv").read_text().splitlines() if not line.startswith("q35\t")]
    (corpus / "qrels" / "test.tsv").write_text("\n".join(test) + "\n")
    from hnhub.corpus import load
    from hnhub.corpus.catalog import CATALOG
    from hnhub.corpus.spec import CorpusSpec

    plain = hnhub.build(
        corpus, name="made", methods=["bm25"], queries_from="qrels", negatives=2, out=tmp_path / "plain"
    )
    assert plain.rows["queries"] == {"dev": 1, "train": 30}
    assert CATALOG["msmarco"].evaluation_splits == ("test", "dev")
    spec = CorpusSpec(
        name="made", title="Made", documents=None, judged_queries={}, licence="mit", licence_source="here",
        redistributable=True, citation="", evaluation_splits=("test", "dev"),
    )  # fmt: skip
    monkeypatch.setattr(load, "CATALOG", {**CATALOG, "made": spec})
    both = hnhub.build(corpus, name="made", methods=["bm25"], queries_from="qrels", negatives=2, out=tmp_path / "both")
    assert both.rows["queries"] == {"train": 30}
    assert both.stats["stats"]["held_out"] == {"dev": 1, "test": 9}
