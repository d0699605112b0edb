"""Nothing is printed by a library call; progress is heard, and shows by itself only where there is somewhere to show it."""

import os
import subprocess
import sys
from pathlib import Path

import hnhub
from hnhub import progress
from terminals import run_in_terminal

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
    assert list(of) == ["documents read", "encoding documents", "encoding queries", "searching"]
    last = of["encoding documents"]
    assert (last.done, last.total, last.unit) == (300, 300, "texts")
    assert 300 < last.tokens < of["encoding queries"].tokens
    with progress.listening(seen.append), progress.in_stage("candidates/llm"):
        progress.report("asking", 3, dropped={"too_long": 2}, tokens=1200)
    assert str(seen[-1]) == "asking: 3, 1,200 tokens, 2 dropped"
    assert seen[-1].stage == "candidates/llm"


SHOWN = """
import sys, time
from hnhub import progress
if len(sys.argv) > 1: progress.off()
with progress.showing():
    with progress.showing():
        progress.report("baking", 1, 2)
    time.sleep(0.8)
    progress.report("baking", 2, 2)
"""


def test_progress_shows_by_itself_on_a_terminal_unless_it_is_off() -> None:
    code, shown = run_in_terminal([sys.executable, "-c", SHOWN])
    assert code == 0
    assert any("baking" in line and "50%" in line for frame in shown.frames for line in frame)
    assert shown.lines == [""]  # nothing is left of it
    assert run_in_terminal([sys.executable, "-c", SHOWN, "off"])[1].raw == b""
