"""A published dataset built again by a stranger: another home, no token, and no model to ask."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

import hnhub
from hnhub.cli import cli
from hnhub.errors import InputError, UsageError
from hnhub.publish.finish import ANSWERS, rewrite_card
from hnhub.publish.push_plan import MANIFEST
from hnhub.stages import describe_file
from hub_client import TOKEN, clean_environment
from hub_server import HubServer
from model_server import model_server
from small_corpus import content, write_corpus
from small_run import make_dataset

SHARD = "exports/{}/train-00000-of-00001.parquet"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A Hub that has the corpus `ann/things` at its second commit."""
    corpus = write_corpus(tmp_path_factory.mktemp("corpus") / "things", documents=120, queries=24)
    files = {path.relative_to(corpus).as_posix(): path.read_bytes() for path in corpus.rglob("*") if path.is_file()}
    with HubServer() as server:
        server.add_user(TOKEN, "ann")
        server.store.create("dataset", "ann/things", "ann")
        server.store.write("ann/things", files)
        yield server


@pytest.fixture
def run(hub: HubServer, tmp_path: Path) -> Run:
    """`run(who, command ...)`: each has a home of its own; only ann has a token."""

    def run(who: str, *arguments: Any, code: int = 0) -> subprocess.CompletedProcess[str]:
        environment = clean_environment(hub.url, tmp_path / who / "hf", TOKEN if who == "ann" else None, xet=False)
        done = subprocess.run(
            [sys.executable, "-m", "hnhub", *map(str, arguments)],
            cwd=tmp_path, env={**environment, "HNHUB_HOME": str(tmp_path / who / "hnhub")}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done

    return run


def test_a_stranger_builds_the_same_without_a_model(hub: HubServer, run: Run, tmp_path: Path) -> None:
    pinned = hub.store.repos["dataset", "ann/things"].branches["main"]
    with model_server() as server:
        options = ["--method", "llm", "--method", "bm25", "--queries", 12, "--negatives", 1, "--judge", "llm"]
        rights = ["--i-have-the-rights", "Made up for tests."]
        run("ann", "build", "ann/things", *options, *rights, "--endpoint", server.url, "--out", tmp_path / "runs")
        asked = len(server.requests)
    dataset = tmp_path / "runs" / "ann--things" / "dataset"
    before = content(dataset)
    push = ("push", "runs/ann--things", "--repo", "ann/hard", "--with-answers", "--with-page", "--space", "ann/look")
    push += ("--with-export", "triples", "--with-export", "pylate")

    planned = run("ann", *push, "--dry-run").stdout
    assert f"+ add     {ANSWERS}" in planned
    assert "+ add     page.html" in planned
    assert "+ add     exports/triples/bm25/" in planned
    assert "space ann/look" in planned
    assert content(dataset) == before, "a plan changes nothing"
    assert ("dataset", "ann/hard") not in hub.store.repos

    run("ann", *push, "--tag", "v1")
    answers = pl.read_parquet(dataset / ANSWERS)
    assert 0 < len(answers) <= asked
    assert answers["text"].null_count() == 0
    assert answers["key"].is_unique().all()
    assert "number1" not in "".join(answers["text"]), "no passage goes along"
    card = (dataset / "README.md").read_text(encoding="utf-8")
    assert f"[{ANSWERS}]({ANSWERS})" in card
    assert "| [exports/triples/bm25](exports/triples/bm25) |" in card

    # What is put along later comes beside what was put along before, and a config in another layout is read by its name.
    again = json.loads(
        run(
            "ann",
            "push",
            "runs/ann--things",
            "--repo",
            "ann/hard",
            "--with-export",
            "tevatron",
            "--tag",
            "v2",
            "--json",
        ).stdout
    )
    (kept,) = {step["action"] for step in again["plan"]["steps"] if step["path"].startswith("exports/triples/")}
    assert kept == "keep"
    told = ("pylate-bm25-train", "pylate-bm25-queries", "pylate-bm25-documents", "tevatron-bm25")
    rows, queries, documents, passages = _first_rows(hub, tmp_path / "reader", "ann/hard", told)
    assert rows["query_id"] == queries["query_id"] == passages["query_id"]
    assert rows["document_ids"][0] == documents["document_id"] == passages["positive_passages"][0]["docid"]
    assert len(rows["scores"]) == len(rows["document_ids"]) == 2
    assert documents["text"] == passages["positive_passages"][0]["text"]

    hub.store.write("ann/things", {"corpus.jsonl": b'{"_id": "x", "text": "another edition"}\n'})
    try:
        found = json.loads(run("stranger", "reproduce", "ann/hard@v2", "--json").stdout)
    finally:
        hub.store.repos["dataset", "ann/things"].branches["main"] = pinned
    assert found["same"]
    assert found["sent"] == 0
    assert found["on_record"] == answers["method"].len()
    assert set(found["files"].values()) == {"same"}
    assert {"page.html", "exports/triples/bm25/README.md", SHARD.format("tevatron-llm")} <= set(found["files"])
    assert set(found["stages"].values()) == {"same"}
    assert {"queries", "candidates/llm", "judgements/bm25"} <= set(found["stages"])
    assert found["why"] == []
    assert content(Path(found["folder"])) == content(dataset)


def _first_rows(hub: HubServer, home: Path, repo: str, configs: Sequence[str]) -> list[dict[str, Any]]:
    """Each config's first row, loaded as anybody loads it."""
    code = "import sys, json; from datasets import load_dataset as load; "
    code += "print(json.dumps([load(sys.argv[1], config, split='train')[0] for config in sys.argv[2:]]))"
    done = subprocess.run(
        [sys.executable, "-c", code, repo, *configs], env=clean_environment(hub.url, home, None, xet=False), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return list(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> hnhub.Run:
    """A run by mining alone, of a folder."""
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    corpus = write_corpus(tmp_path / "things", documents=60, queries=12)
    return hnhub.build(corpus, methods=["bm25"], queries_from="qrels", negatives=2, depth=6, out=tmp_path / "runs")


def test_what_differs_is_counted_and_explained(built: hnhub.Run, tmp_path: Path) -> None:
    again = hnhub.reproduce(built, corpus=tmp_path / "things", out=tmp_path / "again")
    assert (again.same, again.why, again.sent) == (True, [], 0)
    assert "of 13 files are the same, bit for bit; 0 requests were sent" in repr(again)

    other = tmp_path / "other"
    shutil.copytree(built.folder, other)
    path = other / "data" / "bm25" / "train-00000-of-00001.parquet"
    rows = pl.read_parquet(path)
    at = pl.int_range(pl.len()) == 1
    rows.with_columns(pl.when(at).then(pl.lit("other")).otherwise("negative_1").alias("negative_1")).write_parquet(path)
    manifest = json.loads((other / MANIFEST).read_text())
    manifest["files"]["data/bm25/train-00000-of-00001.parquet"] = describe_file(path)
    manifest["built"]["versions"]["polars"] = "0.1"
    manifest["built"]["stages"]["negatives/bm25"] = "0" * 64
    (other / MANIFEST).write_text(json.dumps(manifest))

    found = hnhub.reproduce(other, corpus=tmp_path / "things", out=tmp_path / "again")
    assert not found.same
    assert [stage for stage, state in found.stages.items() if state != "same"] == ["negatives/bm25"]
    assert [name for name, state in found.files.items() if state != "same"] == [
        "data/bm25/train-00000-of-00001.parquet"
    ]
    (split,) = found.splits
    assert (split.config, split.changed, split.same) == ("bm25", 1, len(rows) - 1)
    assert [line for line in found.why if "0.1" in line] == [f"polars: 0.1 there, {pl.__version__} here"]
    assert f"differs  1 changed, {len(rows) - 1} same" in repr(found)

    manifest["built"]["versions"]["polars"] = "\x1b[2J"
    (other / MANIFEST).write_text(json.dumps(manifest))
    command = ["reproduce", str(other), "--corpus-dir", str(tmp_path / "things"), "--out", str(tmp_path / "again")]
    shown = CliRunner().invoke(cli, command).stdout
    assert r"polars: \x1b[2J there" in shown
    assert "\x1b" not in shown


def test_a_corpus_that_moved_on_is_named(built: hnhub.Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"things: was read from files; give your copy by --corpus-dir"):
        hnhub.reproduce(built)
    with (tmp_path / "things" / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "new", "title": "", "text": "one more"}\n')
    found = hnhub.reproduce(built, corpus=tmp_path / "things", out=tmp_path / "again")
    assert not found.same
    assert found.stages["corpus"] == "differs"
    assert [line.split(":")[0] for line in found.why] == ["corpus files"]


def _build(corpus: Path, endpoint: str) -> hnhub.Run:
    return hnhub.build(
        corpus,
        methods=["llm"],
        queries_from="qrels",
        negatives=2,
        endpoint=endpoint,
        out=corpus.parent / "runs",
        rights="Made up.",
    )


def test_answers_that_are_missing_are_asked_for_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    corpus = write_corpus(tmp_path / "things", documents=60, queries=12)
    with model_server() as server:
        run = _build(corpus, server.url)
        known = hnhub.reproduce(run, corpus=corpus, out=tmp_path / "journal")
        assert (known.same, known.sent) == (True, 0)

        monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "fresh"))
        with pytest.raises(InputError, match=r"lacks answers of rule-1 that this build asks for; give --endpoint"):
            hnhub.reproduce(run, corpus=corpus, out=tmp_path / "none")
        asked = hnhub.reproduce(run, corpus=corpus, endpoint=server.url, out=tmp_path / "asked")
        assert asked.same
        assert asked.sent > 0
        monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "nowhere"))
        with pytest.raises(InputError, match="no journal is here"):
            hnhub.plan_push(run, "ann/x", with_answers=True)


def test_an_endpoint_is_asked_only_for_what_the_answers_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hnhub.api.recorded import collect_answers

    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    corpus = write_corpus(tmp_path / "things", documents=60, queries=12)
    with model_server() as server:
        run = _build(corpus, server.url)
        collected = collect_answers(run.folder)
        assert collected is not None
        answers = pl.read_parquet(collected[0])
        answers.tail(-3).write_parquet(tmp_path / "some.parquet")
        facts = json.loads((run.folder / "stats.json").read_text())
        rewrite_card(run.folder, facts | {"answers": collected[1]}, added={ANSWERS: tmp_path / "some.parquet"})

        monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "fresh"))
        again = hnhub.reproduce(run, corpus=corpus, endpoint=server.url, out=tmp_path / "again")
    assert again.same
    assert (again.sent, len(answers) > 3) == (3, True)


def test_a_failed_request_fails_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server would not answer left its mark in the ledger: without it other rows would come out."""
    from hnhub.api.recorded import collect_answers
    from llm_servers.scripted import Scripted

    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    corpus = write_corpus(tmp_path / "things", documents=60, queries=12)
    with Scripted(fault=lambda key, times: "400" if "number3" in key else None) as server:
        run = _build(corpus, server.url)
    assert "model_failure" in run.ledger["reason"].to_list()
    collected = collect_answers(run.folder)
    assert collected is not None
    data, facts = collected
    assert facts["failures"] > 0
    (tmp_path / "answers.parquet").write_bytes(data)
    failed = pl.read_parquet(tmp_path / "answers.parquet").filter(pl.col("text").is_null())
    assert failed["failure"].unique().to_list() == ["HTTP 400"], "in our words alone"
    again = hnhub.reproduce(run, corpus=corpus, out=tmp_path / "again")
    assert (again.same, again.sent) == (True, 0)


def test_what_does_not_say_what_it_was_built_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not say what it was built from"):
        hnhub.reproduce(make_dataset(tmp_path))


def test_a_manifest_is_somebody_elses_word(built: hnhub.Run, tmp_path: Path) -> None:
    whole = json.loads((built.folder / MANIFEST).read_text())
    without = {name: value for name, value in whole["built"].items() if name != "models"}
    for changed, error, text in (
        (
            {"built": whole["built"] | {"source": {"name": "../../up", "hub": {"a/b": "c" * 40}}}},
            InputError,
            "is no corpus's name",
        ),
        ({"built": without}, InputError, "manifest lacks 'models'"),
        (
            {"recipe": whole["recipe"] | {"negatives": "many"}},
            UsageError,
            "recipe: negatives = 'many' is of the wrong kind",
        ),
    ):
        (built.folder / MANIFEST).write_text(json.dumps(whole | changed))
        with pytest.raises(error, match=text):
            hnhub.reproduce(built, out=tmp_path / "x")

    changed = {"fingerprint": "/../../../../../up", "hnhub": whole["hnhub"]}
    (built.folder / MANIFEST).write_text(json.dumps(whole | changed))
    found = hnhub.reproduce(built, corpus=tmp_path / "things")
    assert (tmp_path / "home" / "reproduced").resolve() in found.folder.resolve().parents
