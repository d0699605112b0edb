"""What differs between two dataset folders: rows by their query, config by config, and the other files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from hnhub.publish.check import splits_of
from hnhub.publish.push_plan import MANIFEST
from hnhub.stages import read_record

__all__ = ["Difference", "SplitDifference", "compare_folders"]


@dataclass(frozen=True)
class SplitDifference:
    """One split of one config. A row is known by its query; of a scored config, by query and candidate."""

    config: str
    split: str
    added: int
    removed: int
    changed: int
    same: int
    columns: tuple[str, ...] = ()
    """Columns that only one side has, or with another type."""


@dataclass(frozen=True)
class Difference:
    """From folder A to folder B."""

    splits: tuple[SplitDifference, ...]
    files: Mapping[str, str]
    """Other path -> `added`, `removed` or `changed`."""

    @property
    def any(self) -> bool:
        """Whether there is a difference at all."""
        return bool(self.files) or any(s.added or s.removed or s.changed or s.columns for s in self.splits)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {
            "splits": [vars(split) | {"columns": list(split.columns)} for split in self.splits],
            "files": dict(self.files),
        }


def compare_folders(a: Path, b: Path) -> Difference:
    """Compare two dataset folders. Held at once: 16 bytes a row of one split, on both sides; no texts."""
    hashes = [{path: entry["sha256"] for path, entry in read_record(f / MANIFEST).files.items()} for f in (a, b)]
    shards = [splits_of(side) for side in hashes]
    splits = []
    for config, split in sorted({(c, s) for side in shards for c, names in side.items() for s in names}):
        paths = [side.get(config, {}).get(split, []) for side in shards]
        if [hashes[0][p] for p in paths[0]] == [hashes[1][p] for p in paths[1]]:
            rows = sum(read_record(a / MANIFEST).files[path]["rows"] for path in paths[0])
            splits.append(SplitDifference(config, split, 0, 0, 0, rows))
        else:
            splits.append(_compare(config, split, [a / path for path in paths[0]], [b / path for path in paths[1]]))
    data = {path for side in shards for names in side.values() for paths in names.values() for path in paths}
    files = {}
    for path in sorted((hashes[0].keys() | hashes[1].keys()) - data):
        left, right = hashes[0].get(path), hashes[1].get(path)
        if left != right:
            files[path] = "added" if left is None else "removed" if right is None else "changed"
    return Difference(tuple(splits), files)


def _compare(config: str, split: str, a: list[Path], b: list[Path]) -> SplitDifference:
    if not a or not b:
        rows = int(pl.scan_parquet(a or b).select(pl.len()).collect().item())
        return SplitDifference(config, split, rows if b else 0, rows if a else 0, 0, 0)
    schemas = [pl.scan_parquet(side).collect_schema() for side in (a, b)]
    shared = [name for name in schemas[0] if schemas[0][name] == schemas[1].get(name)]
    other = tuple(sorted({*schemas[0], *schemas[1]} - set(shared)))
    left, right = _hashed(a, shared), _hashed(b, shared)
    both = left.join(right, on="key", how="inner", suffix="_b")
    changed = int((both["row"] != both["row_b"]).sum())
    return SplitDifference(
        config, split, len(right) - len(both), len(left) - len(both), changed, len(both) - changed, other
    )  # fmt: skip


def _hashed(paths: list[Path], columns: list[str]) -> pl.DataFrame:
    """Two 64-bit hashes a row, of what it is known by and of all of it. Rows known by the same are told apart by order."""
    query = next(name for name in ("query_id", "query", *columns) if name in columns)
    candidate = [pl.coalesce("document_id", "text")] if {"document_id", "text"} <= set(columns) else []
    key, row = (pl.struct(parts).hash(seed=0) for parts in ([pl.col(query), *candidate], [pl.col(c) for c in columns]))
    rows = pl.scan_parquet(paths).select(key=key, row=row).collect(engine="streaming")
    return rows.select(pl.struct("key", pl.int_range(pl.len()).over("key")).hash(seed=0).alias("key"), "row")
