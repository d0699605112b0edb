"""The table of `make bench`: what is reached is judged by the rounds' ratios, or by our own value."""

import importlib
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture
def performance(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("performance")


def test_every_benchmark_is_there_and_hands_rows_over(performance: Any) -> None:
    for name in performance.BENCHMARKS:
        assert "compared(" in (BENCH / f"{name}.py").read_text(encoding="utf-8"), name


@pytest.mark.parametrize(
    ("ours", "theirs", "goal", "more", "told"),
    [
        ([2, 1, 4], [4, 4, 4], (2, 3), False, ["2.00x (1.00-4.00)", "at least 2 (stretch 3)", "yes"]),
        ([1, 1], [4, 4], (2, 3), False, ["4.00x (4.00-4.00)", "at least 2 (stretch 3)", "yes, stretch"]),
        ([3], [4], (2, None), False, ["1.33x (1.33-1.33)", "at least 2", "no"]),
        ([300], [], (250, 110), False, ["-", "at most 250 (stretch 110)", "no"]),
        ([0.99], [], (0.98, None), True, ["-", "at least 0.98", "yes"]),
        ([1], [1], None, False, ["1.00x (1.00-1.00)", "-", "-"]),
    ],
)
def test_a_row(
    performance: Any, ours: list[float], theirs: list[float], goal: Any, more: bool, told: list[str]
) -> None:
    row = {"stage": "s", "unit": "u", "peer": "p", "ours": ours, "theirs": theirs, "goal": goal, "more": more}
    assert performance.line(row)[5:] == told


def test_what_breaks_is_named_and_the_table_written_all_the_same(
    performance: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "good.py").write_text(
        f"import sys; sys.path.insert(0, {str(BENCH)!r})\n"
        "from _common import compared\ncompared('a stage', [1.0], peer='p', theirs=[3.0], unit='s')\n"
    )
    (tmp_path / "bad.py").write_text("raise SystemExit('no such corpus')\n")
    monkeypatch.setattr(performance, "BENCHMARKS", {"good": (), "bad": ()})
    monkeypatch.setattr(performance, "HERE", tmp_path)
    monkeypatch.setattr("sys.argv", ["performance.py", "--only", "good", "bad", "--out", str(tmp_path / "table.md")])
    performance.main()
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| a stage | s    | p    | 3      | 1       | 3.00x (3.00-3.00)     |" in text
    assert "- `bad`: no such corpus" in text
