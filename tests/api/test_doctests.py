"""Every public function's docstring holds an example, and the examples run: with a run, a model, a corpus and a Hub at hand."""

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hnhub
import small_models
from hub_client import TOKEN, clean_environment
from hub_server import HubServer
from llm_servers.scripted import Scripted
from llm_servers.writer import Writer
from small_corpus import write_corpus
from small_run import make_dataset

FUNCTIONS = [getattr(hnhub, name) for name in hnhub.__all__ if inspect.isfunction(getattr(hnhub, name))]
MODULES = sorted({function.__module__ for function in FUNCTIONS} | {"hnhub.progress.events"})
RUN = """
import doctest, importlib, sys
failed = [name for name in sys.argv[1:] if doctest.testmod(importlib.import_module(name)).failed]
sys.exit(bool(failed))
"""
PLAN = """
baseline = "base"
measures = ["nDCG@10"]
corpora = { water = { folder = "corpora/water" } }
models = { small = "models/small" }
[variants]
base = {}
lexical = { run = "bm25" }
"""


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_function_has_an_example_and_is_typed(function) -> None:
    assert ">>> " in function.__doc__
    assert "+SKIP" not in function.__doc__
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    positional = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert len(positional) <= 2, "keyword-only after the subject"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder as a user may have one."""
    make_dataset(tmp_path / "runs" / "tiny")
    small_models.word_vectors(tmp_path / "models" / "small", 32)
    for name in ("water", "tiny"):  # `tiny` is the corpus that the run names: what must not be trained on
        folder = tmp_path / "corpora" / name
        (folder / "qrels").mkdir(parents=True)
        (folder / "corpus.jsonl").write_text(
            '{"_id": "a", "text": "kettles boil"}\n{"_id": "b", "text": "ice is old"}\n'
        )
        (folder / "queries.jsonl").write_text('{"_id": "1", "text": "what boils"}\n{"_id": "2", "text": "old ice"}\n')
        (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n2\tb\t1\n")
    (tmp_path / "plan.toml").write_text(PLAN)
    made = write_corpus(tmp_path / "made", documents=120) / "corpus.jsonl"
    (tmp_path / "passages.jsonl").write_text(made.read_text())
    return tmp_path


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.add_user(TOKEN, "ann")
        yield server


@pytest.fixture
def writer(place: Path) -> Iterator[Scripted]:
    texts = [json.loads(line)["text"] for line in (place / "passages.jsonl").read_text().splitlines()]
    with Scripted(text=Writer(texts)) as server:
        yield server


def test_the_examples_run(place: Path, hub: HubServer, writer: Scripted) -> None:
    environment = clean_environment(hub.url, place / "hf", TOKEN, xet=False)
    source = Path(hnhub.__file__).parents[1]
    environment |= {
        "HNHUB_HOME": str(place / "home"),
        "ENDPOINT": writer.url,
        "HNHUB_CORPORA": str(place / "corpora"),
        "PYTHONPATH": f"{source}:{environment['PYTHONPATH']}",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, *MODULES],
        cwd=place, env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stdout + done.stderr
