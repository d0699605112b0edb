import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hnhub.cli.journal import journal as command
from hnhub.errors import InputError
from hnhub.llm.journal import Failed, Journal, Stored, export, prune, request_key, stats
from hnhub.llm.types import Message

STORED = Stored("text", "stop", 10, 5, "a server")


def fill(path, requests, outcome=STORED, model="m"):
    with Journal(path) as journal:
        for request in requests:
            journal.add(request_key(request, model, "r"), request, model, "r", outcome=outcome)


def test_every_part_of_a_request_is_in_its_key(ask_for):
    request = ask_for(1)
    keys = {request_key(request, "m", "r"), request_key(request, "m", None), request_key(request, "n", "r")}
    for change in (
        {"seed": 2},
        {"temperature": 0.7},
        {"top_p": 0.9},
        {"max_tokens": 51},
        {"schema": None},
        {"prompt_sha256": "1" * 64},
        {"messages": (Message("system", "Write."), request.messages[1])},
        {"messages": (Message("user", "Write a negative."), request.messages[1])},
        {"messages": (*request.messages, request.messages[1])},
    ):
        keys.add(request_key(ask_for(1, **change), "m", "r"))
    assert len(keys) == 12
    assert request_key(ask_for(1, id="x", method="judge"), "m", "r") in keys


def test_answer_is_on_the_disk_before_anybody_is_told(tmp_path, ask_for):
    path = tmp_path / "j.sqlite"
    seen = []

    def look(_):
        with sqlite3.connect(path) as other:
            seen.append(other.execute("SELECT count(*) FROM answers").fetchone()[0])

    request = ask_for(1)
    with Journal(path) as journal:
        journal.add(request_key(request, "m", None), request, "m", None, outcome=STORED, then=look)
        journal.close()
    assert seen == [1]


def test_failure_is_never_found_as_an_answer(tmp_path, ask_for):
    request, path = ask_for(1), tmp_path / "j.sqlite"
    fill(path, [request], Failed("HTTP 500"))
    with Journal(path) as journal:
        assert journal.find(request_key(request, "m", "r")) is None
    assert stats(path)["failures"] == [{"model": "m", "method": "llm", "reason": "HTTP 500", "count": 1}]
    assert stats(path)["answers"] == []


def test_the_first_answer_wins(tmp_path, ask_for):
    request, path, got = ask_for(1), tmp_path / "j.sqlite", []
    key = request_key(request, "m", "r")
    with Journal(path) as one, Journal(path) as two:
        one.add(key, request, "m", "r", outcome=STORED)
        one.close()
        two.add(key, request, "m", "r", outcome=Stored("other", None, 1, 1, None), then=got.append)
        two.close()
    assert got == [STORED]


def test_several_processes_at_once(tmp_path):
    path = tmp_path / "j.sqlite"
    code = (
        "import sys\nfrom pathlib import Path\nfrom llm_servers.client import request\n"
        "from hnhub.llm.journal import Journal, Stored, request_key\n"
        "with Journal(Path(sys.argv[1])) as journal:\n"
        "  for i in range(int(sys.argv[2]), int(sys.argv[2]) + 300):\n"
        "    r = request(i); journal.add(request_key(r, 'm', None), r, 'm', None, outcome=Stored(f't{i}', None, 1, 1, None))\n"
        "    journal.find(request_key(request(i - 5), 'm', None))\n"
    )
    tests = str(Path(__file__).parents[1])
    run = [sys.executable, "-c", f"import sys; sys.path.insert(0, {tests!r})\n" + code, str(path)]
    builds = [subprocess.Popen([*run, str(start)]) for start in (0, 150, 300)]
    assert [build.wait() for build in builds] == [0, 0, 0]
    texts = [row["text"] for row in export(path)]
    assert sorted(texts, key=lambda text: int(text[1:])) == [f"t{i}" for i in range(600)]


def test_export_has_the_whole_request(tmp_path, ask_for):
    request, path = ask_for(4), tmp_path / "j.sqlite"
    fill(path, [request])
    (row,) = export(path)
    assert row["request"]["messages"] == [[message.role, message.content] for message in request.messages]
    for name in ("schema", "prompt_sha256", "max_tokens", "temperature", "top_p", "seed"):
        assert row["request"][name] == getattr(request, name)
    assert (row["text"], row["model"], row["revision"], row["server"]) == ("text", "m", "r", "a server")


def test_prune(tmp_path, ask_for):
    path = tmp_path / "j.sqlite"
    fill(path, [ask_for(i) for i in range(5)])
    fill(path, [ask_for(i) for i in range(3)], model="other")
    fill(path, [ask_for(9)], Failed("x"))
    assert prune(path, before=1) == {"answers": 0, "failures": 0}
    assert prune(path, failures_only=True) == {"answers": 0, "failures": 1}
    assert prune(path, model="other") == {"answers": 3, "failures": 0}
    assert len(list(export(path))) == 5
    assert prune(path) == {"answers": 5, "failures": 0}
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM contexts").fetchone() == (0,)


def test_what_is_no_journal_is_refused_and_left_alone(tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("hello " * 1000)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (x)")
    for path in (text, other):
        before = path.read_bytes()[100:]
        with pytest.raises(InputError, match="can't be used as a journal"):
            Journal(path)
        assert path.read_bytes()[100:] == before
    with pytest.raises(InputError, match="no journal is here"):
        stats(tmp_path / "none.sqlite")


def test_command(tmp_path, ask_for, monkeypatch):
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path))
    fill(tmp_path / "journal.sqlite", [ask_for(i) for i in range(3)])
    run = CliRunner().invoke
    assert "3 answers, 30 + 15 tokens" in run(command, ["stats"]).output
    assert json.loads(run(command, ["stats", "--json"]).output)["answers"][0]["answers"] == 3
    assert len(run(command, ["export"]).output.splitlines()) == 3
    out = tmp_path / "out.jsonl"
    assert run(command, ["export", "--out", str(out)]).exit_code == 0
    assert [json.loads(line)["request"]["seed"] for line in out.read_text().splitlines()] == [0, 1, 2]
    assert run(command, ["prune"]).exit_code == 2
    assert "deleted 0 answers" in run(command, ["prune", "--older-than", "1"]).output
    assert "deleted 3 answers" in run(command, ["prune", "--all"]).output


def test_an_export_that_fails_leaves_nothing(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from hnhub.cli.journal import journal as command
    from hnhub.llm import journal as store

    def broken(path):
        yield {"answer": 1}
        raise OSError("the disk is full")

    monkeypatch.setattr(store, "export", broken)
    out = tmp_path / "answers.jsonl"
    out.write_text("old")
    result = CliRunner().invoke(command, ["export", "--out", str(out)])
    assert isinstance(result.exception, OSError)
    assert [path.name for path in tmp_path.iterdir()] == ["answers.jsonl"]
    assert out.read_text() == "old"
