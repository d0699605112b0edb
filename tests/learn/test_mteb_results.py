"""`hnhub evaluate --mteb-results`: mteb's JSON, with mteb's figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import small_models
from hnhub.corpus.catalog import CATALOG
from small_corpus import write_corpus

SCRIPT = Path(__file__).with_name("by_mteb.py")


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory, hnhub) -> tuple[Path, Path, Path]:
    """A model, a BEIR folder, and the result of the one on the other."""
    place = tmp_path_factory.mktemp("mteb")
    model, corpus = small_models.word_vectors(place / "words", 32), write_corpus(place / "made")
    done = hnhub(
        "evaluate", model, "--corpus", "made", "--corpus-dir", corpus, "--mteb-results", place / "results", "--json"
    )
    assert done.returncode == 0, done.stderr
    (result,) = (place / "results").rglob("made.json")
    scores = json.loads(result.read_text(encoding="utf-8"))["scores"]["test"][0]
    assert scores["main_score"] == pytest.approx(json.loads(done.stdout)["metrics"]["nDCG@10"], abs=1e-5)
    return Path(model), corpus, result


def test_it_is_what_mteb_measures_itself(evaluated: tuple[Path, Path, Path]) -> None:
    done = subprocess.run(
        [os.environ.get("HNHUB_PEERS", sys.executable), "-W", "ignore", SCRIPT, *evaluated],
        env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip(f"{done.stderr.strip()}: name a Python that has it by HNHUB_PEERS")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    ours, theirs = found["read"], found["theirs"]
    shared = sorted(name for name in theirs if isinstance(theirs[name], float) and "nauc" not in name)
    assert len(shared) >= 43, shared
    assert {name: ours[name] for name in shared} == pytest.approx({name: theirs[name] for name in shared}, abs=1e-5)
    assert found["main"] == pytest.approx(theirs["ndcg_at_10"], abs=1e-5)


def test_the_catalogs_corpora_bear_mtebs_names(evaluated: tuple[Path, Path, Path]) -> None:
    made = json.loads(evaluated[2].read_text(encoding="utf-8"))
    assert made["task_name"] == "made"
    assert made["dataset_revision"].startswith("files-")
    task = CATALOG["scifact"].mteb
    assert task is not None
    assert (task.name, task.revision[:7]) == ("SciFact", "d56462d")


def test_a_shallow_ranking_is_refused(tmp_path: Path, evaluated: tuple[Path, Path, Path], hnhub) -> None:
    model, corpus, _ = evaluated
    done = hnhub(
        "evaluate", model, "--corpus", "made", "--corpus-dir", corpus, "--depth", 100, "--mteb-results", tmp_path / "x"
    )
    assert done.returncode == 2
    assert "give --depth 1000" in done.stderr
