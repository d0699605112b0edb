"""Changes of a finished dataset's files that take effect at once, though they are several files: its card, what goes along with it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hnhub.stages import fsync

__all__ = ["changed", "settle"]

_MANIFEST = "manifest.json"
_WHOLE = ".rewrite"
_BEGUN = ".rewrite.tmp"


@contextmanager
def changed(folder: Path) -> Iterator[Path]:
    """An empty folder for a dataset's changed files, its new manifest among them; they take their places after the block.

    What the new manifest lists no more is deleted. Killed at any moment, the dataset is as before or as after: what was whole
    takes its places when the dataset is next looked at (`settle`).
    """
    settle(folder)
    begun = folder / _BEGUN
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir()
    try:
        yield begun
        for path in sorted(begun.rglob("*")):
            fsync(path)
        fsync(begun)
        begun.rename(folder / _WHOLE)
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    fsync(folder)
    settle(folder)


def settle(folder: Path) -> None:
    """Let changes that are whole take their places, if a process was killed before it did."""
    whole = folder / _WHOLE
    if not whole.is_dir():
        return
    if (whole / _MANIFEST).is_file():  # it goes last; without it, all are in their places
        for path in sorted(path for path in whole.rglob("*") if path.is_file() and path != whole / _MANIFEST):
            place = folder / path.relative_to(whole)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
            fsync(place.parent)
        for name in sorted(_listed(folder) - _listed(whole)):
            (folder / name).unlink(missing_ok=True)
            _remove_empty(folder, (folder / name).parent)
        (whole / _MANIFEST).replace(folder / _MANIFEST)
        fsync(folder)
    shutil.rmtree(whole)


def _listed(folder: Path) -> set[str]:
    return set(json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["files"])


def _remove_empty(folder: Path, place: Path) -> None:
    while place != folder and place.is_dir() and not any(place.iterdir()):
        place.rmdir()
        place = place.parent
