"""What docs/adding.md says: each thing is added to a copy of hnhub, in so many files, and used there by a user's command."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import get_type_hints

import click
import polars as pl
import pytest

from hnhub.api.adapt_settings import AdaptOptions
from hnhub.api.build import BuildOptions
from hnhub.api.mine import MineOptions
from hnhub.cli import cli
from hnhub.records import Recipe
from hnhub.records.options import options_of
from small_corpus import write_corpus

ROOT = Path(__file__).resolve().parents[1]

Edits = Mapping[str, tuple[tuple[str, str], ...] | str]
"""File -> (a line that is there, what is put before it), or the text of a new file."""

OPTION: Edits = {
    "src/hnhub/records/recipe.py": (
        (
            '    on_shortfall: Literal["drop", "keep", "fail"] = option(',
            '    rank_step: int = option(1, "Negatives", "Choose among every so manyth candidate.", least=1)\n',
        ),
        ('    on_shortfall: Literal["drop", "keep", "fail"]\n', "    rank_step: int\n"),
    ),
    "src/hnhub/pipeline/parameters.py": (
        (
            '    @classmethod\n    def of(cls, job: "Job", method: str) -> "NegativesParameters":',
            "    rank_step: int = 1\n\n",
        ),
        ("            on_shortfall=recipe.on_shortfall,\n", "            rank_step=recipe.rank_step,\n"),
    ),
    "src/hnhub/negatives/choose.py": (
        ("        if judgements is not None:\n", "        usable = usable[:: recipe.rank_step]\n"),
    ),
}

METHOD: Edits = {
    "src/hnhub/records/methods.py": (
        ('    "bm25": Method(', '    "random": Method(miner="random_documents", says="documents drawn at random"),\n'),
    ),
    "src/hnhub/negatives/random_documents.py": '''"""Documents that are drawn at random."""

import random
from pathlib import Path
from typing import Any

import polars as pl

from hnhub.negatives._ranked import read_queries, writing
from hnhub.negatives.mining import Mining
from hnhub.records import Provenance


def make_candidates(out: Path, work: Path, mining: Mining) -> dict[str, Any]:
    """Draw `depth` documents for each query; its positive follows without a rank."""
    ids = pl.read_parquet(mining.documents)["document_id"].to_list()
    with writing(out, Provenance(method="random", corpus_revision=mining.corpus_revision)) as writer:
        for query_id, _, positive in read_queries(mining.queries).iter_rows():
            drawn = random.Random(f"{mining.recipe.seed} {query_id}").sample(ids, mining.recipe.depth)
            rows = [(query_id, name, 0, rank, 1 / rank) for rank, name in enumerate(drawn, 1) if name != positive]
            columns = ["query_id", "document_id", "label", "rank", "score"]
            writer.add(pl.DataFrame([*rows, (query_id, positive, 1, None, 0.0)], columns, orient="row"))
    return {"method": "random", "rows": writer.rows}
''',
    "src/hnhub/pipeline/miners.py": (
        (
            "CANDIDATES: Mapping[",
            """@dataclass(frozen=True, kw_only=True)
class RandomParameters(CandidatesParameters):
    VERSION: ClassVar[int] = 1
    depth: int
    seed: int

    @classmethod
    def of(cls, job: Job, method: str) -> Self:
        return cls(depth=job.recipe.depth, seed=job.recipe.seed)


""",
        ),
        ('    "bm25": BM25Parameters,\n', '    "random": RandomParameters,\n'),
    ),
}

CORPUS: Edits = {
    "src/hnhub/corpus/beir.py": (
        (
            '    CorpusSpec(\n        name="nfcorpus",',
            """    CorpusSpec(
        name="kettles",
        title="Kettles of the world",
        documents=300,
        judged_queries={"train": 45, "test": 15},
        licence="cc-by-4.0",
        licence_source="the corpus's own page",
        redistributable=True,
        hub_id="acme/kettles",
        citation="@misc{kettles, title={Kettles}}",
    ),
""",
        ),
    ),
    "builders/kettles.py": '''"""Kettles."""

from hnhub.records import Recipe

VERSION = "3.2.1"
RECIPE = Recipe(corpus="kettles", methods=("bm25",), queries_from="qrels", negatives=2)
''',
}

PROTOCOL: Edits = {
    "src/hnhub/llm/protocols.py": (
        ('"openai-completions"]', '"ollama", '),
        (
            "PROTOCOLS: Mapping[Api, Protocol] = {",
            """def _ollama_body(request: Request, model: str, schema: Any, _: Render | None) -> dict[str, Any]:
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    options = {"temperature": request.temperature, "top_p": request.top_p, "seed": request.seed}
    return {"model": model, "messages": messages, "format": schema, "stream": False, "options": options}


def _ollama_reply(content: Any, _: Mapping[str, str]) -> Reply:
    counts = token_count(content.get("prompt_eval_count")), token_count(content.get("eval_count"))
    return Reply(_text(content["message"]["content"]), _word(content.get("done_reason")), *counts)


""",
        ),
        (
            '    "openai-completions": Protocol(',
            '    "ollama": Protocol("/api/chat", _ollama_body, _ollama_reply, chat=True),\n',
        ),
    ),
}


def copied(folder: Path, edits: Edits) -> Path:
    """A copy of hnhub with these edits, compiled machine code and all."""
    for name in ("src", "builders"):
        shutil.copytree(ROOT / name, folder / name)
    for name, edit in edits.items():
        path = folder / name
        text = edit if isinstance(edit, str) else path.read_text(encoding="utf-8")
        for anchor, added in () if isinstance(edit, str) else edit:
            assert text.count(anchor) == 1, f"{name}: where is {anchor!r}?"
            text = text.replace(anchor, added + anchor)
        path.write_text(text, encoding="utf-8")
    return folder


Run = Callable[..., subprocess.CompletedProcess[str]]


def running(copy: Path, home: Path) -> Run:
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "HNHUB_HOME": str(home), "HF_HUB_OFFLINE": "1"}

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hnhub", *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)

    return run


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpora") / "made")


def test_an_option_takes_three_files(tmp_path: Path, corpus: Path, home: Path) -> None:
    assert len(OPTION) <= 3
    run = running(copied(tmp_path / "copy", OPTION), home)
    words = ["build", "made", "--corpus-dir", corpus, "--method", "bm25", "--queries-from", "qrels", "--negatives", 2,
             "--depth", 20, "--out", tmp_path]  # fmt: skip
    assert run(*words).returncode == 0
    before = fingerprints(tmp_path / "made")
    built = run(*words, "--rank-step", 3)
    assert built.returncode == 0, built.stderr
    after = fingerprints(tmp_path / "made")
    assert {stage for stage in before if after[stage] != before[stage]} == {"negatives/bm25"}
    assert json.loads((tmp_path / "made/dataset/manifest.json").read_text())["recipe"]["rank_step"] == 3
    rows = pl.read_parquet(tmp_path / "made/negatives/bm25/negatives.parquet").filter(pl.col("position") == 2)
    assert set(rows["rank"]) == {5}  # 2, 5, ...: the first is the positive
    wrong = run(*words, "--rank-step", 0)
    assert (wrong.returncode, "--rank-step" in wrong.stderr) == (2, True)
    assert "--rank-step INTEGER RANGE" in run("mine", "--help").stdout


def fingerprints(run: Path) -> dict[str, str]:
    stages = (path.parent for path in run.rglob("stage.json"))
    return {
        stage.relative_to(run).as_posix(): json.loads((stage / "stage.json").read_text())["fingerprint"]
        for stage in stages
    }


def test_a_method_takes_three_files(tmp_path: Path, corpus: Path, home: Path) -> None:
    assert len(METHOD) <= 3
    run = running(copied(tmp_path / "copy", METHOD), home)
    words = ["--corpus-dir", corpus, "--queries-from", "qrels", "--negatives", 2, "--depth", 20, "--out", tmp_path]
    built = run("build", "made", "--method", "random", "--judge", "none", *words)
    assert built.returncode == 0, built.stderr
    dataset = tmp_path / "made" / "dataset"
    assert len(pl.read_parquet(dataset / "data/random/train-00000-of-00001.parquet")) == 45
    assert "documents drawn at random" in (dataset / "README.md").read_text()
    assert run("validate", dataset).returncode == 0


def test_a_corpus_takes_two_files(tmp_path: Path, corpus: Path, home: Path) -> None:
    assert len(CORPUS) <= 2
    run = running(copied(tmp_path / "copy", CORPUS), home)
    assert "Kettles of the world" in run("corpora", "kettles").stdout
    built = run("build", "kettles", "--corpus-dir", corpus, "--depth", 20, "--out", tmp_path)
    assert built.returncode == 0, built.stderr
    assert json.loads((tmp_path / "kettles/dataset/manifest.json").read_text())["version"] == "3.2.1"


class _Ollama(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        found = self.path == "/v1/models"
        self.reply(200 if found else 404, {"data": [{"id": "kettle-1", "owned_by": "library"}]} if found else {})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/api/chat"
        assert list(asked["format"]["properties"]) == ["negative"]
        kettle = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]
        text = json.dumps({"negative": f"Kettle {kettle} says nothing of it."})
        said = {"message": {"role": "assistant", "content": text}, "done_reason": "stop"}
        self.reply(200, {**said, "prompt_eval_count": 30, "eval_count": 12})

    def reply(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def ollama() -> Iterator[str]:
    """A server that speaks what hnhub does not."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Ollama)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_protocol_takes_two_files(tmp_path: Path, corpus: Path, home: Path) -> None:
    assert len(PROTOCOL) <= 2
    run = running(copied(tmp_path / "copy", PROTOCOL), home)
    words = ["--corpus-dir", corpus, "--queries-from", "qrels", "--queries", 5, "--negatives", 1, "--out", tmp_path]
    with ollama() as address:
        built = run("build", "made", "--method", "llm", "--endpoint", address, "--api", "ollama", *words, "--json")
    assert built.returncode == 0, built.stderr
    asked = json.loads(built.stdout)["model"]["llm"]
    assert (asked["requests"], asked["prompt_tokens"], asked["completion_tokens"]) == (5, 150, 60)


@pytest.mark.parametrize(
    ("command", "kind", "named"),
    [
        ("build", BuildOptions, set()),
        ("plan", BuildOptions, set()),
        ("mine", MineOptions, {"negatives", "seed"}),  # which are arguments of their own in Python
        ("adapt", AdaptOptions, set()),
    ],
)
def test_a_decision_is_offered_by_the_commands_whose_functions_take_it(
    command: str, kind: type, named: set[str]
) -> None:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    decisions = set(options_of(Recipe))
    assert {one.name for one in found.params} & decisions == (set(get_type_hints(kind)) | named) & decisions
