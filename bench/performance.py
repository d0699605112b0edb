"""Every benchmark in one go, and what came of it as one table in docs/performance.md: `make bench`.

    python bench/performance.py [--only encode ...] [--out docs/performance.md]

Each benchmark runs in a process of its own, small enough that all take some ten minutes; it says by `_common.compared` what is
worth a row. A benchmark that can't run here is named below the table. What was measured lies in HNHUB_HOME: with `--only` the other
rows are those of the last time.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from _common import machine, table
from hnhub.home import home

HERE = Path(__file__).parent
BEIR = HERE.parents[1] / "shared" / "data" / "beir"
BENCHMARKS: Mapping[str, Sequence[str]] = {
    "bm25": ("--docs", "50000", "--queries", "10000", "--repeats", "1"),
    "bm25_scripts": ("--megabytes", "3"),
    "encode": ("--texts", "32", "--runs", "3", "--documents", "20000", "--queries", "400"),
    "cross_encode": ("--pairs", "80", "--runs", "3", "--quality-queries", "0"),
    "llm_client": ("--seconds", "2", "--rounds", "2"),
    "assemble": ("--rows", "20000", "--runs", "3"),
    "evaluate": ("--queries", "2000", "--rounds", "3"),
    "mine": ("--beir", str(BEIR), "--corpora", "cranfield", "--runs", "2")
    if BEIR.exists()
    else ("--made", "2000", "--runs", "2"),
    "scored": ("--queries", "20000", "60000"),
    "view": ("--queries", "1000"),
    "recipes/run": ("--arm", "plain", "--corpus", "cranfield", "--seeds", "1", "--out", "{folder}/recipes", "--time"),
}
"""File -> its arguments; {folder} is a temporary one."""
PACKAGES = (
    "numpy", "numba", "polars", "pyarrow", "datasets", "torch", "sentence-transformers", "transformers", "httptools", "bm25s",
    "rank-bm25", "tantivy", "faiss-cpu", "huggingface_hub", "openai", "pytrec-eval-terrier", "ranx", "pandas",
)  # fmt: skip
HEAD = """Written by `make bench` (`bench/performance.py`), never by hand: hnhub against the peers that are installed, in turns within
one run, small enough to take minutes. Figures are medians; a ratio is the peer's over hnhub's, of the same round. A busy machine moves
the figures, less so the ratios. What is not reached, and why: [performance_limits.md](performance_limits.md)."""
LIMIT = 900
"""Seconds that one benchmark may take."""


def run(name: str) -> tuple[list[dict[str, Any]], str | None]:
    """A benchmark's rows, and why it has none."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        rows.touch()
        arguments = [argument.format(folder=folder) for argument in BENCHMARKS[name]]
        command = [sys.executable, str(HERE / f"{name}.py"), *arguments]
        try:
            done = subprocess.run(
                command,
                env={**os.environ, "HNHUB_BENCH": str(rows)},
                capture_output=True,
                text=True,
                timeout=LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [], f"took over {LIMIT} s"
        found = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
        said = (done.stderr if done.returncode else done.stdout).strip().splitlines() or [""]
        return found, None if found and not done.returncode else said[-1][:200]


def line(row: Mapping[str, Any]) -> list[str]:
    """A row of the table."""
    ours, theirs = row["ours"], row["theirs"]
    ratios = [one / other for one, other in zip(theirs, ours, strict=False)]
    goal = row["goal"]
    if ratios:
        value, more = statistics.median(ratios), True
        told = f"{value:.2f}x ({min(ratios):.2f}-{max(ratios):.2f})"
    else:
        value, more, told = statistics.median(ours), row["more"], ""
    return [
        row["stage"],
        row["unit"],
        row["peer"] or "-",
        number(theirs),
        number(ours),
        told or "-",
        *judged(value, goal, more),
    ]


def judged(value: float, goal: Sequence[float | None] | None, more: bool) -> list[str]:
    """The goal in words, and whether it is reached."""
    if not goal:
        return ["-", "-"]
    reach, stretch = goal
    assert reach is not None
    words = f"{reach:g}" if stretch is None else f"{reach:g} (stretch {stretch:g})"

    def met(limit: float) -> bool:
        return value >= limit if more else value <= limit

    reached = "no" if not met(reach) else "yes, stretch" if stretch is not None and met(stretch) else "yes"
    return [f"{'at least' if more else 'at most'} {words}", reached]


def number(values: Sequence[float]) -> str:
    """The median, to four digits."""
    return f"{statistics.median(values):.4g}" if values else "-"


def installed() -> str:
    """The versions that took part."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def page(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """docs/performance.md, from what came of each benchmark."""
    found = [measured[name] for name in BENCHMARKS if name in measured]
    rows = [row for one in found for row in one["rows"]]
    missing = {name: measured[name]["why"] for name in BENCHMARKS if name in measured and measured[name]["why"]}
    loads, minutes = [one["load"] for one in found], sum(one["seconds"] for one in found) / 60
    header = ["what", "unit", "peer", "peer's", "hnhub's", "ratio: median (range)", "goal", "reached"]
    parts = [
        "# Performance",
        HEAD,
        f"{machine()}; load {min(loads):.1f} to {max(loads):.1f}; {minutes:.0f} minutes.\n\n{installed()}.",
        table([header, *map(line, rows)]),
    ]
    if missing:
        parts.append("Not measured here:\n\n" + "\n".join(f"- `{name}`: {why}" for name, why in missing.items()))
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "performance.md")
    given = parser.parse_args()
    kept = home() / "bench" / "performance.json"
    measured = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name in given.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        started = time.perf_counter()
        rows, why = run(name)
        measured[name] = {
            "rows": rows,
            "why": why,
            "load": os.getloadavg()[0],
            "seconds": time.perf_counter() - started,
        }
        write(kept, json.dumps(measured))
        write(given.out, page(measured))
    print(page(measured))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


if __name__ == "__main__":
    main()
