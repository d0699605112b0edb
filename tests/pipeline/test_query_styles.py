"""Styles, judge and several generators as a user asks for them."""

import json
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl

from llm_servers.scripted import Scripted
from llm_servers.writer import Writer
from small_corpus import write_corpus

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_build_of_mixed_styles_by_two_models(tmp_path: Path, here: Run) -> None:
    folder = write_corpus(tmp_path / "made")
    texts = [json.loads(line)["text"] for line in (folder / "corpus.jsonl").read_text().splitlines()]
    write = Writer(texts)

    def text(question: str, seed: int) -> str:
        return "I can't." if zlib.crc32(question.encode()) % 4 == 0 else write(question, seed)

    with Scripted(text=text, models=("one", "two")) as server:
        command = ["build", "made", "--corpus-dir", folder, "--method", "bm25", "--queries", 20, "--depth", 20,
                   "--query-style", "question=.5,keyword=.3", "--query-style", "claim=.2", "--per-passage", 2, "--query-judge",
                   "--model", "one", "--model", "two", "--endpoint", server.url, "--out", tmp_path]  # fmt: skip
        planned = here("plan", *command[1:], "--json")
        built = here(*command, "--json")
        again = here(*command)
    assert planned.returncode == built.returncode == again.returncode == 0, built.stderr
    assert next(step for step in json.loads(planned.stdout)["steps"] if step["stage"] == "queries")["requests"] == 50
    dataset = tmp_path / "made" / "dataset"
    queries = pl.read_parquet(dataset / "data/queries/train-00000-of-00001.parquet")
    styles = {"claim": 4, "keyword": 6, "question": 10}
    assert Counter(one["style"] for one in queries["provenance"]) == styles
    assert {one["model"] for one in queries["provenance"]} == {"one", "two"}
    assert json.loads((dataset / "stats.json").read_text())["stats"]["queries"]["train"]["styles"] == styles
    assert "Styles (train): claim 4, keyword 6, question 10." in (dataset / "README.md").read_text()
    told = json.loads(built.stdout)
    assert set(told["model"]) == {"queries", "query-judge"}
    (failed,) = (drop["count"] for drop in told["drops"] if drop["reason"] == "model_failure")
    assert told["model"]["queries"]["failures"] == {"not JSON after 3 asks": failed}  # of both models
    assert here("validate", dataset).returncode == 0
    assert again.stderr.count("there") == 5


def test_wrong_styles_are_refused_at_once(tmp_path: Path, here: Run) -> None:
    folder = write_corpus(tmp_path / "made")
    command = ["build", "made", "--corpus-dir", folder, "--method", "bm25", "--out", tmp_path, "--query-style"]
    for wrong, words in (
        ("keywords=1", "did you mean 'keyword'"),
        ("keyword", "is not STYLE=SHARE"),
        ("keyword=much", "could not convert"),
        ("keyword=0", "share 0"),
    ):
        found = here(*command, wrong)
        assert (found.returncode, words in found.stderr) == (2, True), found.stderr
