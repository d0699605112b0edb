"""What HNHUB_HOME holds, and taking old things out of it: everything there can be made or fetched again, but the journal."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hnhub.home import home
from hnhub.stages import held_if_free, lock_file

__all__ = ["KINDS", "Entry", "list_cache", "prune_cache"]

KINDS = {
    "corpora": "corpora as they were loaded or given",
    "bm25": "BM25 indexes",
    "embeddings": "documents' vectors",
    "mined": "what hnhub.mine has made, where no other place was named",
    "runs": "builds whose dataset goes to a URL",
    "reproduced": "datasets that hnhub reproduce has built again",
    "datasets": "what the datasets library keeps of files and folders",
    "weights": "the embedded model, re-encoded",
    "journal": "requests and answers; looked after by `hnhub journal`",
}
"""Folder of HNHUB_HOME -> what it holds."""


@dataclass(frozen=True)
class Entry:
    """One thing that can be taken out."""

    kind: str
    path: Path
    size: int
    """Bytes."""
    changed: float
    """When a file of it last changed (seconds since 1970)."""


def list_cache() -> list[Entry]:
    """Everything below HNHUB_HOME by kind, then by name."""
    found = []
    for kind in KINDS:
        paths = home().glob("journal.sqlite*") if kind == "journal" else (home() / kind).glob("[!.]*")
        found += [_entry(kind, path) for path in sorted(paths)]
    return found


def prune_cache(kinds: tuple[str, ...] | None = None, *, older_than: float = 0.0, dry_run: bool = False) -> list[Entry]:
    """Take out what has not changed for `older_than` days; returns what went. The journal stays, and what a process is making."""
    before = time.time() - older_than * 86400
    gone = []
    for entry in list_cache():
        if entry.kind == "journal" or (kinds and entry.kind not in kinds) or entry.changed > before:
            continue
        locks = [lock_file(entry.path.parent, name) for name in (entry.path.name, entry.path.stem)]
        locks += [entry.path / ".lock", *(entry.path.glob(".*.lock") if entry.path.is_dir() else ())]
        if dry_run or all(_free(lock) for lock in locks):
            gone.append(entry)
            if not dry_run:
                _remove(entry.path)
    return gone


def _free(lock: Path) -> bool:
    if not lock.exists():
        return True
    with held_if_free(lock) as free:
        return free


def _remove(path: Path) -> None:
    """A folder gets another name first: nobody takes half of it for the whole."""
    if path.is_dir():
        doomed = path.with_name(f".{path.name}.gone")
        shutil.rmtree(doomed, ignore_errors=True)  # of one who was killed
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _entry(kind: str, path: Path) -> Entry:
    files = list(_files(path))
    return Entry(kind, path, sum(size for size, _ in files), max((at for _, at in files), default=0.0))


def _files(path: Path) -> Iterator[tuple[int, float]]:
    for one in [path, *path.rglob("*")] if path.is_dir() else [path]:
        try:
            known = one.stat()
        except FileNotFoundError:  # somebody is at work there
            continue
        if one.is_file():
            yield known.st_size, known.st_mtime
