import json

import numpy as np
import polars as pl
import pytest

from hnhub.encode.encoder import Encoder
from hnhub.encode.models import resolve
from hnhub.errors import InputError
from hnhub.learn.evaluate import depth_for, evaluate, judged, open_split, retrieve, write_evaluation
from hnhub.learn.runs import read_run, run_of_mapping
from hnhub.learn.search import DenseSearcher, rerank
from hnhub.records import contents
from small_miners import write_cross_encoder

# Anserini's BM25 over flat text (k1 0.9, b 0.4), nDCG@10: beir-v1.0.0 regressions; Cranfield: its SOURCES.md.
BM25 = {"scifact": 0.6789, "nfcorpus": 0.3218, "cranfield": 0.3661}


@pytest.mark.parametrize("name", BM25)
def test_bm25_is_near_the_reference(name, beir, here):
    done = here("evaluate", "bm25", "--corpus", name, "--json", HNHUB_CORPORA=str(beir))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["metrics"]["nDCG@10"] == pytest.approx(BM25[name], abs=0.005)
    assert result["queries"] == {"scifact": 300, "nfcorpus": 323, "cranfield": 225}[name]


def test_a_split_holds_its_judged_queries(things):
    assert len(things.query_ids) == len(things.texts) == len(things.qrels) == 20
    assert things.texts[0] == f"does rain fade the {things.query_ids[0].removeprefix('q-').replace('_', ' ')}"
    with pytest.raises(InputError, match=r"no judgements in split 'dev'; use one of: train, test"):
        open_split("things", "dev")


def test_a_bi_encoder_is_searched_exactly_and_its_embeddings_are_kept(things, static_model, tmp_path):
    encoder = Encoder(static_model)
    searcher = DenseSearcher.open(encoder, things.documents, tmp_path)
    found = evaluate(retrieve(searcher, things, 100), things, model="static", settings=encoder.identity())
    ids = pl.read_parquet(things.documents)["document_id"]
    texts = [" ".join(row) for row in pl.read_parquet(things.documents).select("title", "text").iter_rows()]
    similarity = encoder.encode_queries(things.texts) @ encoder.encode_documents(texts).T
    first = [ids[int(i)] for i in similarity.argmax(axis=1)]
    assert [found.run.ranking(i)[0][0] for i in range(20)] == first
    before = sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*.npy"))
    DenseSearcher.open(encoder, things.documents, tmp_path)
    assert sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*.npy")) == before
    assert found.scores.means()["nDCG@10"] > 0.5


def test_everything_is_written_and_the_run_scores_the_same(things, tmp_path):
    run = run_of_mapping({q: dict.fromkeys(judged, 1.0) for q, judged in list(things.qrels.items())[:5]})
    found = evaluate(run, things, model="a model", contaminated={things.query_ids[0], "q-unknown"})
    assert found.scores.means()["nDCG@10"] == pytest.approx(5 / 20)
    write_evaluation(tmp_path / "out", found)
    result = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert result["metrics"]["nDCG@10"] == pytest.approx(0.25)
    assert result["contaminated_queries"] == 1
    assert result["clean"]["queries"] == 19
    assert result["clean"]["metrics"]["nDCG@10"] == pytest.approx(4 / 19)
    table = pl.read_parquet(tmp_path / "out/scores.parquet")
    assert table["query_id"].to_list() == list(things.query_ids)
    assert table["contaminated"].sum() == 1
    again = evaluate(read_run(tmp_path / "out/run.trec"), things, model="again")
    np.testing.assert_array_equal(again.scores.values["nDCG@10"], found.scores.values["nDCG@10"])


def test_ids_with_white_space_cost_the_run_file_and_nothing_else(things, tmp_path, caplog):
    first = things.query_ids[0]
    run = run_of_mapping({first: {"User Guide.md#1": 2.0, **dict.fromkeys(things.qrels[first], 1.0)}})
    write_evaluation(tmp_path / "out", evaluate(run, things, model="m"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"evaluation.json", "scores.parquet"}
    assert "m on things: is kept without run.trec" in caplog.text


def test_a_run_of_another_corpus_is_refused(things):
    with pytest.raises(InputError, match="none of its 1 queries is judged in things"):
        evaluate(run_of_mapping({"7": {"d": 1.0}}), things, model="x")


def test_a_document_of_the_querys_own_id_is_dropped_where_the_corpus_asks_for_it(things, tmp_path):
    # A corpus whose queries are documents.
    tables = {
        "documents": pl.DataFrame({"document_id": ["a", "b", "c"], "title": [""] * 3, "text": ["x y", "x", "y"]}),
        "queries": pl.DataFrame({"split": ["test"], "query_id": ["a"], "text": ["x y"]}),
        "qrels": pl.DataFrame({"split": ["test"], "query_id": ["a"], "document_id": ["b"], "score": [1]}),
    }
    for name, table in tables.items():
        table.write_parquet(tmp_path / f"{name}.parquet")

    class Searcher:
        document_ids = ("a", "b", "c")

        def search(self, texts, k):
            return np.array([[0, 1, 2][:k]], np.int32), np.array([[3.0, 2.0, 1.0][:k]], np.float32)

    for drop, expected in ((False, 0.0), (True, 1.0)):
        split = judged(tmp_path, "test", name="own", revision="1", drop_same_id=drop)
        found = evaluate(retrieve(Searcher(), split, 1), split, model="m", measures=["P@1"])
        assert found.scores.means() == {"P@1": expected}
        given = evaluate(run_of_mapping({"a": {"a": 9.0, "b": 8.0}}), split, model="m", measures=["P@1"])
        assert given.scores.means() == {"P@1": expected}


def test_reranking_orders_only_the_best_anew(things):
    ids = pl.read_parquet(things.documents)["document_id"].to_list()
    run = run_of_mapping({things.query_ids[0]: {d: float(-i) for i, d in enumerate(ids[:6])}})
    again = rerank(run, things, lambda pairs: np.arange(len(pairs), dtype=float), depth=4)
    assert [d for d, _ in again.ranking(0)] == ids[3::-1]


@pytest.mark.slow
def test_the_command_reranks_by_a_cross_encoder(things, hnhub, tmp_path, corpus):
    """A real one of two layers, whose order is checked against CrossEncoder.predict, and `local`."""
    from sentence_transformers import CrossEncoder

    own = {"HNHUB_CORPORA": str(corpus.parent), "HNHUB_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    command = ("evaluate", "bm25", "--corpus", "things", "--depth", 4, "--json")
    assert hnhub(*command, "--run", tmp_path / "plain.trec", **own).returncode == 0
    folder = write_cross_encoder(tmp_path / "ce")
    done = hnhub(*command, "--rerank", folder, "--run", tmp_path / "again.trec", **own)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["model"] == "bm25 + tiny"
    assert result["settings"]["reranker"] == resolve(folder).identity()
    assert str(tmp_path) not in done.stdout
    plain, again = (read_run(tmp_path / f"{name}.trec") for name in ("plain", "again"))
    texts = {i: contents(title, text) for i, title, text in pl.read_parquet(things.documents).iter_rows()}
    model = CrossEncoder(folder, device="cpu")
    for number in range(20):
        found = sorted(d for d, _ in plain.ranking(number))
        scores = model.predict([(things.texts[number], texts[d]) for d in found], show_progress_bar=False)
        assert [d for d, _ in again.ranking(number)] == [found[i] for i in np.argsort(-scores, kind="stable")]

    local = hnhub(*command, "--rerank", "local", "--metric", "Success@4", "--metric", "MRR@4", **own)
    assert local.returncode == 0, local.stderr
    assert json.loads(local.stdout)["model"] == "bm25 + local"
    assert 0 < json.loads(local.stdout)["metrics"]["MRR@4"] <= 1


def test_the_depth_serves_the_deepest_measure():
    assert depth_for(["nDCG@10", "P@10"]) == 100
    assert depth_for(["nDCG@10", "Recall@500"]) == 500
    assert depth_for(["MAP"]) == 1000


def test_the_command_scores_a_bi_encoder_a_run_file_and_a_decontaminated_split(
    things, static_model, make_dataset, here, tmp_path, corpus
):
    own = {"HNHUB_CORPORA": str(corpus.parent), "HNHUB_HOME": str(tmp_path / "home")}
    trained_on = make_dataset(things=["red kettle", things.query_ids[3].removeprefix("q-").replace("_", " ")])
    done = here(
        "evaluate", static_model, "--corpus", "things", "--json", "--run", tmp_path / "run.trec", "--metric", "nDCG@10",
        "--metric", "Success@5", "--trained-on", trained_on, "--config", "bm25", **own,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    assert list(first["metrics"]) == ["nDCG@10", "Success@5"]
    assert first["contaminated_queries"] == 1
    assert str(tmp_path) not in done.stdout
    again = here(
        "evaluate", "--from-run", tmp_path / "run.trec", "--corpus", "things", "--metric", "nDCG@10", "--json", **own
    )
    assert json.loads(again.stdout)["metrics"]["nDCG@10"] == first["metrics"]["nDCG@10"]
    shown = here("evaluate", "bm25", "--corpus", "things", **own)
    assert "bm25 on things, test: 20 queries" in shown.stdout
    assert here("evaluate", "--corpus", "things", **own).returncode == 2


def test_an_unjudged_query_of_a_run_is_left_out_of_reranking(things):
    from hnhub.learn.runs import run_of_mapping
    from hnhub.learn.search import rerank

    ids = pl.read_parquet(things.documents)["document_id"].to_list()
    run = run_of_mapping({things.query_ids[0]: {ids[0]: 1.0, ids[1]: 2.0}, "nobody judged this": {ids[0]: 1.0}})
    found = rerank(run, things, lambda pairs: np.arange(len(pairs), dtype=float), 10)
    assert list(found.query_ids) == [things.query_ids[0]]
    assert {document_id for document_id, _ in found.ranking(0)} == {ids[0], ids[1]}
