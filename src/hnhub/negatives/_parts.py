"""Candidates made in parts, some queries each: a part is a small stage of its own, so none is made twice."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hnhub.engine.local import Engine
from hnhub.stages import run_stage, waiting_lock

__all__ = ["MakePart", "make_parts"]

MakePart = Callable[[Path, Path, slice], Mapping[str, Any]]
"""Write the files of some queries (a slice of the frozen ones) into `out`; `work` survives a kill. Returns facts."""


def make_parts(
    out: Path,
    work: Path,
    make: MakePart,
    *,
    queries: Path,
    size: int,
    engine: Engine,
    about: Callable[[], Mapping[str, object]] = dict,
    gpu: bool = False,
) -> list[Mapping[str, Any]]:
    """Make the parts of `size` queries each, join their Parquet files in order into `out`, and return their facts.

    `make` has to depend on nothing but its arguments, the stage's fingerprint and `about()`, what only the worker knows (say, in
    which dtype its device computes): a finished part about something else is made again. Both have to be picklable.
    """
    count = pq.read_metadata(queries).num_rows
    parts = max(1, -(-count // size))
    facts = list(engine.map(partial(_make_part, work / "parts", make, about, size), parts, gpu=gpu))
    folders = [work / "parts" / f"{number:05}" for number in range(parts)]
    for name in sorted(path.name for path in folders[0].glob("*.parquet")):
        _join([folder / name for folder in folders], out / name)
    return facts


def _make_part(
    folder: Path, make: MakePart, about: Callable[[], Mapping[str, object]], size: int, number: int
) -> Mapping[str, Any]:
    queries = slice(number * size, (number + 1) * size)
    place = folder / f"{number:05}"
    parts = {"part": number, "size": size, **about()}
    with waiting_lock(folder, place.name):  # a worker that is taken for lost may still be at it
        return run_stage(place, parts, lambda out, work: make(out, work, queries)).facts


def _join(paths: list[Path], out: Path) -> None:
    """Row group after row group, so that memory is bounded by one."""
    with pq.ParquetWriter(out, pq.read_schema(paths[0]), compression="zstd") as writer:
        for path in paths:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
