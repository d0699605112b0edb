"""Nothing is printed by a library call; progress is heard, and shows by itself only where there is somewhere to show it."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import hnhub
from hnhub import progress

CALLS = """
import sys, hnhub
assert not {"torch", "datasets", "polars", "numpy", "click"} & set(sys.modules)
corpus, dataset, model, out = sys.argv[1:]
hnhub.evaluate("bm25", corpus)
hnhub.evaluate(model, corpus, rerank=None)
run = hnhub.open_run(dataset)
run.dataset("bm25"); run.validate(); run.card()
hnhub.train(run, config="bm25", model=model, out=out, tests=[corpus], batch=4)
"""


def test_calls_print_nothing(made: Path, dataset: Path, static_model: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALLS, made, dataset, static_model, tmp_path / "model"],
        env={**os.environ, "HNHUB_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_events_are_heard(made: Path, static_model: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path))
    seen: list[progress.Event] = []
    with hnhub.progress.listening(seen.append):
        hnhub.evaluate(static_model, made)
    of = {event.what: event for event in seen}
    assert list(of) == ["encoding documents", "encoding queries"]
    last = of["encoding documents"]
    assert (last.done, last.total, last.unit) == (300, 300, "texts")
    assert 300 < last.tokens < of["encoding queries"].tokens
    with progress.listening(seen.append), progress.in_stage("candidates/llm"):
        progress.report("asking", 3, dropped={"too_long": 2}, tokens=1200)
    assert str(seen[-1]) == "asking: 3, 1,200 tokens, 2 dropped"
    assert seen[-1].stage == "candidates/llm"


SHOWN = """
import sys
from hnhub import progress
if len(sys.argv) > 1: progress.off()
with progress.showing():
    with progress.showing():
        progress.report("baking", 1, 2)
    progress.report("baking", 2, 2)
"""


def on_a_terminal(*arguments: str) -> str:
    reader, writer = pty.openpty()
    subprocess.run([sys.executable, "-c", SHOWN, *arguments], stderr=writer, check=True, timeout=60)
    os.close(writer)
    chunks = []
    try:
        while chunk := os.read(reader, 1 << 16):
            chunks.append(chunk)
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(reader)
    return b"".join(chunks).decode()


def test_a_line_shows_by_itself_on_a_terminal_unless_it_is_off() -> None:
    shown = on_a_terminal()
    assert "baking: 2 of 2 (100%)" in shown
    assert shown.endswith("\r\x1b[K")  # nothing is left of it
    assert on_a_terminal("off") == ""
