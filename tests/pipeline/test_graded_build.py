"""`llm-graded` from the model's answer to the rows of a list loss, and to written positives."""

import hashlib
import json
import random
from pathlib import Path

import polars as pl
import pytest

import hnhub
from hnhub.learn.training_data import load_training_data
from llm_servers.scripted import Scripted
from small_corpus import WORDS, write_corpus

pytest.importorskip("datasets")


def four_levels(question: str, seed: int) -> str:
    draw = random.Random(hashlib.sha256(f"{question}/{seed}".encode()).digest())
    return json.dumps({f"relevance_{level}": " ".join(draw.choices(WORDS, k=25)) for level in range(4)})


def test_levels_become_scores_labels_and_positives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    corpus = hnhub.open_corpus(write_corpus(tmp_path / "corpora" / "made", documents=30, queries=8), name="made")
    with Scripted(text=four_levels) as server:
        options = {"methods": ["llm-graded"], "queries_from": "qrels", "negatives": 2, "endpoint": server.url}
        run = hnhub.build(corpus, **options, out=tmp_path / "runs")
        more = hnhub.build(corpus, **options, promote="positive", out=tmp_path / "more")
    scored = run.to_frame("llm-graded-scored", split="train")
    assert scored["score"].to_list() == [3.0, 3.0, 2.0, 1.0, 0.0] * 6
    assert scored["reason"].to_list() == [None, "written_positive", "written_relevant", None, None] * 6
    assert scored.filter(pl.col("position").is_not_null())["score"].to_list() == [1.0, 0.0] * 6
    data = load_training_data(str(run.folder), "llm-graded", distil=True, held_out_share=0)
    assert data.rows["label"].to_list() == [[3.0, 3.0, 2.0, 1.0, 0.0]] * 6
    assert run.validate() == more.validate() == []
    assert (run.rows["llm-graded"], more.rows["llm-graded"]) == ({"train": 6}, {"train": 12})
