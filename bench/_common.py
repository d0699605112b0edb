"""What the benchmarks share: a synthetic corpus, CPU time, the machine, tables, and what `make bench` collects."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

__all__ = ["compared", "cpu_seconds", "machine", "spread", "synthetic", "table", "versions", "words"]


def words(count: int) -> list[str]:
    """Distinct words of lower-case letters, 3 to 9 long: one token in every tokeniser, and no stop word."""
    consonants, vowels = "bcdfghjklmnpqrstvwxz", "aeiou"
    made = []
    for number in range(count):
        word, rest = "", number
        while rest or len(word) < 2:
            rest, consonant = divmod(rest, len(consonants))
            rest, vowel = divmod(rest, len(vowels))
            word += consonants[consonant] + vowels[vowel]
        made.append(word + "q")
    return made


def synthetic(
    texts: int, length: int, *, vocabulary: int = 200_000, seed: int = 0, batch: int = 10_000
) -> Iterator[list[str]]:
    """Batches of texts of `length` words drawn from a Zipfian distribution (exponent 1)."""
    vocabulary_words = np.array(words(vocabulary), dtype=object)
    # Frequent words are short, as in a language: numbers grow with rank, and so do words.
    cumulated = np.cumsum(1 / np.arange(1, vocabulary + 1))
    rng = np.random.default_rng(seed)
    for first in range(0, texts, batch):
        count = min(batch, texts - first)
        drawn = np.searchsorted(cumulated, rng.random((count, length)) * cumulated[-1], side="right")
        yield [" ".join(row) for row in vocabulary_words[drawn]]


def cpu_seconds(function: Callable[[], object]) -> tuple[float, object]:
    """CPU time of this process, all its threads, and what the function returned."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def spread(values: Sequence[float]) -> str:
    """Median and range: `1.52 (1.50-1.61)`."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def compared(
    stage: str,
    ours: Sequence[float],
    *,
    peer: str = "",
    theirs: Sequence[float] = (),
    unit: str,
    goal: tuple[float, float | None] | None = None,
    more: bool = False,
) -> None:
    """Hand a row to `bench/performance.py`, if it asked for it (by the environment's HNHUB_BENCH).

    `ours` and `theirs` are of the same rounds. With a peer the goal (to reach, stretch) is a ratio of what it took to what we
    took, else a value of our own: to stay under, or with `more` to be over.
    """
    row = {
        "stage": stage,
        "peer": peer,
        "ours": list(ours),
        "theirs": list(theirs),
        "unit": unit,
        "goal": goal,
        "more": more,
    }
    if place := os.environ.get("HNHUB_BENCH"):
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def machine() -> str:
    """Processor, cores and operating system."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line.split(":", 1) for line in info.read_text().splitlines() if ":" in line]
        fields = {key.strip(): value.strip() for key, value in lines}
        flags = [flag for flag in ("avx2", "avx512f", "amx_bf16") if flag in fields.get("flags", "").split()]
        model = f"{fields.get('model name', model)} ({' '.join(flags)})"
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def versions(names: Iterable[str]) -> str:
    """Installed versions, e.g. `numba 0.63.1, bm25s 0.3.16`."""
    return ", ".join(f"{name} {version(name)}" for name in names)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table; the first is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
