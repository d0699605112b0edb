"""Evaluations by objects, ids and runs; what the command line prints is what the function returns; verdicts."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sentence_transformers import CrossEncoder, SentenceTransformer

import hnhub
from hnhub.errors import UsageError
from small_miners import write_cross_encoder
from small_models import tiny_bert

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_an_object_measures_what_its_folder_does(made: Path, static_model: str) -> None:
    corpus = hnhub.open_corpus(made)
    model = SentenceTransformer(static_model, device="cpu")
    by_object, by_folder = hnhub.evaluate(model, corpus), hnhub.evaluate(Path(static_model), made)
    assert by_object.measures == by_folder.measures
    assert (by_object.model, by_folder.model) == ("SentenceTransformer", "wordllama")  # nothing names these weights
    assert by_object.settings["revision"] != by_folder.settings["revision"]
    assert 0 < by_object["nDCG@10"] < 1


def test_the_command_prints_what_the_function_returns(made: Path, hnhub: Command) -> None:
    import hnhub as library

    found = library.evaluate("bm25", made, measures=["nDCG@5", "MRR@10"])
    command = ("evaluate", "bm25", "--corpus", "made", "--corpus-dir", made, "--metric", "nDCG@5", "--metric", "MRR@10")
    assert hnhub(*command).stdout == f"{found}\n"
    assert json.loads(hnhub(*command, "--json").stdout) == found.as_json()


def test_a_cross_encoder_object_reranks_as_its_folder_does(made: Path, tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path)
    model = CrossEncoder(folder, device="cpu", max_length=64)
    found = hnhub.evaluate("bm25", made, rerank=model, depth=5)
    assert found.model == "bm25 + tiny"
    plain = hnhub.evaluate("bm25", made, depth=5)
    assert set(found.run.as_mapping()["q50"]) == set(plain.run.as_mapping()["q50"])
    assert found.settings["reranker"]["revision"].startswith("sha256:")


def test_a_model_computes_in_the_precision_that_is_asked_for(made: Path, tmp_path: Path) -> None:
    model = tiny_bert(tmp_path)
    exact, lower = (hnhub.evaluate(model, made, precision=one) for one in ("fp32", "bf16"))
    assert (exact.settings["dtype"], lower.settings["dtype"]) == ("float32", "bfloat16")
    by_object = hnhub.evaluate(SentenceTransformer(model, device="cpu"), made)
    assert exact.measures == by_object.measures
    scores = [list(found.run.as_mapping()["q50"].values()) for found in (exact, lower)]
    assert scores[0] != scores[1]
    assert scores[0] == pytest.approx(scores[1], abs=0.05)


def test_a_run_is_scored_as_it_stands_and_written_runs_score_the_same(made: Path) -> None:
    found = hnhub.evaluate("mine", made, run={"q50": {"d50": 1.0, "d2": 2.0}}, measures=["MRR@10"])
    assert found["MRR@10"] == pytest.approx(0.5 / 15)
    frame = found.to_frame()
    assert frame.columns == ["query_id", "MRR@10"]
    assert frame.filter(pl.col("query_id") == "q50")["MRR@10"].to_list() == [0.5]
    assert repr(found) == "mine on made, test: 15 queries\nmeasure     all\nMRR@10   0.0333"
    assert "<th>measure</th>" in found._repr_html_()


def test_a_verdict_on_two_evaluations(made: Path) -> None:
    lexical = hnhub.evaluate("bm25", made)
    nothing = hnhub.evaluate("nothing", made, run={"q50": {}})
    found = hnhub.verdict(lexical, nothing)
    assert (found.verdict, found.system, found.baseline, found.measure) == ("better", "bm25", "nothing", "nDCG@10")
    assert found.difference == pytest.approx(lexical["nDCG@10"])
    assert found.interval[0] > 0.5
    assert str(found).startswith("made, nDCG@10: bm25 is better than nothing (+")
    same = hnhub.verdict(lexical, lexical, measure="P@10")
    assert (same.verdict, same.baseline) == ("equivalent", "bm25 (baseline)")
    with pytest.raises(UsageError, match="no measure 'MAP' in both"):
        hnhub.verdict(lexical, nothing, measure="MAP")
    with pytest.raises(UsageError, match="same corpus and split"):
        hnhub.verdict(lexical, hnhub.evaluate("bm25", made, split="train"))


def test_wrong_calls_are_refused_before_work(made: Path, static_model: str) -> None:
    with pytest.raises(UsageError, match="give both"):
        hnhub.evaluate("bm25", made, config="bm25")
    with pytest.raises(UsageError, match="measure 'nDGC@10': measure not found"):
        hnhub.evaluate("bm25", "./nowhere", measures=["nDGC@10"])
    with pytest.raises(UsageError, match="a SentenceTransformer is no CrossEncoder"):
        hnhub.evaluate("bm25", made, rerank=SentenceTransformer(static_model, device="cpu"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a int is no SentenceTransformer"):
        hnhub.evaluate(3, made)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_length": 8}, "max_length does nothing with bm25"),
        ({"query_prefix": ""}, "query_prefix does nothing with bm25"),
        ({"precision": "fp32"}, "precision does nothing with bm25"),
        ({"preset": "e5", "run": {"q50": {"d50": 1.0}}}, "preset does nothing with a run; leave out preset"),
    ],
)
def test_what_only_an_encoder_heeds_is_refused_without_one(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        hnhub.evaluate("bm25", "./nowhere", **given)
