"""Parts of a stage for the tests of engines: small functions that a worker process can import."""

import os
import time
from pathlib import Path

from hnhub.errors import InputError


def slow(folder: Path, part: int) -> int:
    """Says who is at work on which part, and takes its time."""
    (folder / f"{part}-{os.getpid()}").touch()
    time.sleep(0.3)
    return part * part


def deadly(folder: Path, part: int) -> int:
    """Kills its worker at part 3."""
    (folder / f"{part}-{os.getpid()}").touch()
    if part == 3:
        os.kill(os.getpid(), 9)
    return part


def greedy(size: int, part: int) -> int:
    """Takes `size` bytes."""
    return sum(bytearray(size)[:: 1 << 20]) + part


def refused(part: int) -> int:
    """Bad input at part 2."""
    if part == 2:
        raise InputError("rows.parquet: row 7 is bad", do="mend it")
    return part


def full_disk(part: int) -> int:
    """Writes where there is no room."""
    with Path("/dev/full").open("w") as file:
        file.write("x" * 10_000)
    return part
