"""Corpora from the Hub: the real client, over a real socket, in a process of its own."""

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hub_client import clean_environment
from hub_server import HubServer

_LOAD = """
import json, sys
from pathlib import Path
from hnhub.corpus import catalog, load
from hnhub.corpus.spec import CorpusSpec
from hnhub.errors import HnhubError

name, out, revision = sys.argv[1:4]
spec = CorpusSpec(
    name="tiny", title="Tiny", documents=3, judged_queries={"train": 1, "test": 1}, licence="mit", licence_source="us",
    redistributable=True, hub_id="BeIR/tiny", revision=revision or None, qrels_hub_id="BeIR/tiny-qrels", citation="",
)
load.CATALOG = catalog.CATALOG = {"tiny": spec}
try:
    source = load.resolve(name)
    Path(out).mkdir()
    print(json.dumps({"name": source.name, **load.make_corpus(Path(out), source)}))
except HnhubError as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}))
"""

Run = Callable[..., dict[str, Any]]

DOCUMENTS = pl.DataFrame({"_id": ["d1", "d2", "d3"], "title": ["one", "", "three"], "text": ["eins", "zwei", "drei"]})
QUERIES = pl.DataFrame({"_id": ["q1", "q2"], "title": ["", ""], "text": ["which is one", "which is two"]})
QRELS = {"train": b"query-id\tcorpus-id\tscore\nq2\td2\t1\n", "test": b"query-id\tcorpus-id\tscore\nq1\td1\t1\n"}
COUNTS = {"documents": 3, "queries": {"train": 1, "test": 1}, "qrels": {"train": 1, "test": 1}}


def _parquet(table: pl.DataFrame) -> bytes:
    data = io.BytesIO()
    table.write_parquet(data)
    return data.getvalue()


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    """A Hub with corpora in three layouts that the real one has."""
    with HubServer() as server:
        server.add_user("hf_owner", "owner")
        for name in ("BeIR/tiny", "BeIR/tiny-qrels", "own/jsonl", "own/parquet", "own/gated", "own/readme"):
            server.store.create("dataset", name, "owner")
        server.store.write(
            "BeIR/tiny",
            {
                "corpus.jsonl.gz": gzip.compress(DOCUMENTS.write_ndjson().encode(), mtime=0),
                "queries.jsonl.gz": gzip.compress(QUERIES.write_ndjson().encode(), mtime=0),
                "tiny.py": b"raise SystemExit('a loading script must not run')",
            },
        )
        server.store.write("BeIR/tiny-qrels", {f"{split}.tsv": data for split, data in QRELS.items()})
        jsonl = {"corpus.jsonl": DOCUMENTS.write_ndjson().encode(), "queries.jsonl": QUERIES.write_ndjson().encode()}
        server.store.write("own/jsonl", {**jsonl, **{f"qrels/{split}.tsv": data for split, data in QRELS.items()}})
        shards = {
            "corpus/corpus-00000-of-00002.parquet": _parquet(DOCUMENTS[:2]),
            "corpus/corpus-00001-of-00002.parquet": _parquet(DOCUMENTS[2:]),
            "queries/queries-00000-of-00001.parquet": _parquet(QUERIES),
        }
        for split, data in QRELS.items():
            table = pl.read_csv(data, separator="\t").with_columns(pl.col("score").cast(pl.Float64))
            shards[f"data/{split}-00000-of-00001.parquet"] = _parquet(table)
        server.store.write("own/parquet", shards)
        server.store.write("own/gated", jsonl)
        server.store.repos["dataset", "own/gated"].gated = "manual"
        yield server


@pytest.fixture
def run(hub: HubServer, tmp_path: Path) -> Run:
    """`run(name)` loads a corpus in a fresh process: the facts, or the error."""

    def call(name: str, out: str = "out", revision: str = "", **environment: str) -> dict[str, Any]:
        clean = clean_environment(hub.url, tmp_path / "home", None, xet=False)
        done = subprocess.run(
            [sys.executable, "-c", _LOAD, name, str(tmp_path / out), revision],
            env={**clean, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return call


def test_catalog_corpus_with_judgements_in_a_second_repository(hub: HubServer, run: Run, tmp_path: Path) -> None:
    head = hub.store.repos["dataset", "BeIR/tiny"].branches["main"]
    qrels_head = hub.store.repos["dataset", "BeIR/tiny-qrels"].branches["main"]
    found = run("tiny")
    assert found["counts"] == COUNTS, found
    assert found["revision"] == head
    assert found["source"]["hub"] == {"BeIR/tiny": head}
    assert found["source"]["qrels_hub"] == {"BeIR/tiny-qrels": qrels_head}
    assert pl.read_parquet(tmp_path / "out" / "documents.parquet").rows() == DOCUMENTS.rows()
    assert not hub.requests("GET", "tiny.py"), "only the corpus's files are fetched"


def test_a_pinned_revision_stays_when_the_repository_moves_on(hub: HubServer, run: Run) -> None:
    pinned = hub.store.repos["dataset", "BeIR/tiny"].branches["main"]
    hub.store.write("BeIR/tiny", {"corpus.jsonl.gz": gzip.compress(b'{"_id": "x", "text": "other"}\n')})
    try:
        assert run("tiny", revision=pinned)["counts"] == COUNTS
        unpinned = run("tiny", out="second")
        assert unpinned["error"] == "InputError"
        assert "d2" in unpinned["text"], "the judgements name documents that are gone"
    finally:
        hub.store.repos["dataset", "BeIR/tiny"].branches["main"] = pinned


@pytest.mark.parametrize("repo", ["own/jsonl", "own/parquet"])
def test_any_repository(repo: str, hub: HubServer, run: Run, tmp_path: Path) -> None:
    head = hub.store.repos["dataset", repo].branches["main"]
    found = run(repo)
    assert found["counts"] == COUNTS, found
    assert found["name"] == repo.replace("/", "--")
    assert found["revision"] == head
    assert pl.read_parquet(tmp_path / "out" / "documents.parquet").rows() == DOCUMENTS.rows()
    again = run(f"{repo}@{head}", out="again")
    assert again == found
    assert (tmp_path / "again" / "documents.parquet").read_bytes() == (
        tmp_path / "out" / "documents.parquet"
    ).read_bytes()


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("own/nothing", "InputError", "own/nothing: no such dataset on the Hub, or no access; check the id"),
        ("own/gated", "InputError", "own/gated: is gated on the Hub; ask for access"),
        ("own/readme", "InputError", "own/readme: holds no corpus at"),
        ("own/jsonl@nope", "InputError", "own/jsonl: has no revision nope"),
        (
            "a/b/c",
            "InputError",
            "no such folder: a/b/c; give a folder, a name of `hnhub corpora`, or owner/name on the Hub",
        ),
    ],
)
def test_refusals(name: str, error: str, text: str, run: Run) -> None:
    found = run(name)
    assert found.get("error") == error, found
    assert text in found["text"]


def test_no_answer_is_a_service_error(run: Run) -> None:
    found = run("own/jsonl", HF_ENDPOINT="http://127.0.0.1:9")
    assert found["error"] == "ServiceError"
    assert "give --corpus-dir or HNHUB_CORPORA" in found["text"]


def test_no_answer_is_told_at_once_of_a_pinned_corpus_too(run: Run) -> None:
    found = run("tiny", revision="0" * 40, HF_ENDPOINT="http://127.0.0.1:9")
    assert found["error"] == "ServiceError"
    assert "Hub ([Errno 111] Connection refused)" in found["text"], "the client did not try again and again"


def test_offline_with_a_cache(hub: HubServer, run: Run) -> None:
    pinned = hub.store.repos["dataset", "own/jsonl"].branches["main"]
    assert run(f"own/jsonl@{pinned}")["counts"] == COUNTS
    found = run(f"own/jsonl@{pinned}", out="offline", HF_HUB_OFFLINE="1")
    assert found.get("counts") == COUNTS, found
