"""At home in mteb: its result JSON with its figures, a split as its task, its prompts."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hnhub
import small_models
from hnhub.adaptation.held_out import README
from hnhub.corpus.catalog import CATALOG
from small_corpus import write_corpus

SCRIPT = Path(__file__).with_name("by_mteb.py")


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory, here) -> tuple[Path, Path, Path]:
    """A model, a BEIR folder as `adapt` holds one out, and the result of the one on the other."""
    place = tmp_path_factory.mktemp("mteb")
    model, corpus = small_models.word_vectors(place / "words", 32), write_corpus(place / "made")
    (corpus / "README.md").write_text(README, encoding="utf-8")
    rows = csv.DictReader((corpus / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines(), delimiter="\t")
    lines = [json.dumps({**row, "score": int(row["score"])}) for row in rows]
    (corpus / "qrels" / "test.jsonl").write_text("\n".join(lines) + "\n")
    done = here(
        "evaluate", model, "--corpus", "made", "--corpus-dir", corpus, "--mteb-results", place / "results", "--json"
    )
    assert done.returncode == 0, done.stderr
    (result,) = (place / "results").rglob("made.json")
    scores = json.loads(result.read_text(encoding="utf-8"))["scores"]["test"][0]
    assert scores["main_score"] == pytest.approx(json.loads(done.stdout)["metrics"]["nDCG@10"], abs=1e-5)
    return Path(model), corpus, result


@pytest.fixture(scope="session")
def by_mteb(evaluated: tuple[Path, Path, Path], home: Path) -> dict[str, Any]:
    """What mteb makes of the three."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT, *evaluated],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HNHUB_HOME": str(home)},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_it_is_what_mteb_measures_itself(by_mteb: dict[str, Any]) -> None:
    ours, theirs = by_mteb["read"], by_mteb["theirs"]
    assert len(theirs) >= 43, theirs
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=1e-5)
    assert by_mteb["main"] == pytest.approx(theirs["ndcg_at_10"], abs=1e-5)


@pytest.mark.slow
def test_a_split_is_a_task_that_mteb_runs(by_mteb: dict[str, Any]) -> None:
    assert by_mteb["task"] == pytest.approx(by_mteb["theirs"], abs=1e-5)
    assert by_mteb["metadata"] == {"name": "made", "languages": ["eng-Latn"]}


@pytest.mark.slow
def test_prompts_are_those_that_mteb_gives(by_mteb: dict[str, Any], evaluated: tuple[Path, Path, Path]) -> None:
    instruction = "Given a scientific claim, retrieve documents that support or refute the claim"
    assert by_mteb["prompts"] == {
        "intfloat/e5-base-v2": ["query: ", "passage: "],
        "intfloat/multilingual-e5-large-instruct": [f"Instruct: {instruction}\nQuery: ", ""],
        str(evaluated[0]): ["", ""],  # as sentence-transformers saves a model without any
    }


def test_prompts_saved_with_a_model_are_chosen_by_the_tasks_name(tmp_path: Path, evaluated) -> None:
    """As mteb does it: the task's name goes before the kind of text. A prefix that is given goes before both."""
    model, corpus, _ = evaluated
    named = tmp_path / "named"
    shutil.copytree(model, named)
    settings = named / "config_sentence_transformers.json"
    saved = {"query": "Q: ", "document": "D: ", "made-query": "M: "}
    settings.write_text(json.dumps({**json.loads(settings.read_text(encoding="utf-8")), "prompts": saved}))
    made = hnhub.open_corpus(corpus, name="made")
    found = [
        hnhub.evaluate(named, made, **options).settings["query_prompt"]
        for options in ({}, {"mteb_prompts": True}, {"mteb_prompts": True, "query_prefix": "P: "})
    ]
    assert found == ["Q: ", "M: ", "P: "]


def test_the_catalogs_corpora_bear_mtebs_names(evaluated: tuple[Path, Path, Path]) -> None:
    made = json.loads(evaluated[2].read_text(encoding="utf-8"))
    assert made["task_name"] == "made"
    assert made["dataset_revision"].startswith("files-")
    task = CATALOG["scifact"].mteb
    assert task is not None
    assert (task.name, task.revision[:7]) == ("SciFact", "d56462d")


def test_a_shallow_ranking_is_refused(tmp_path: Path, evaluated: tuple[Path, Path, Path], here) -> None:
    model, corpus, _ = evaluated
    done = here(
        "evaluate", model, "--corpus", "made", "--corpus-dir", corpus, "--depth", 100, "--mteb-results", tmp_path / "x"
    )
    assert done.returncode == 2
    assert "give --depth 1000" in done.stderr
