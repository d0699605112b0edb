"""Stages that can be killed: temporary names, fsync, rename, and a record of what a finished stage was made from.

A stage is a folder. It is made in `<parent>/.work/<name>-<fingerprint>/`: final files in `out/`, whatever lets an
interrupted run go on beside it. When `make` returns, the files are hashed, a record (`stage.json`) is written among
them, everything is fsynced and `out/` is renamed into place. So a folder with a record is finished, and a folder
without one was put there by the user: it is taken as it is, and recorded as theirs.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from hnhub import __version__
from hnhub.errors import InputError, UsageError

__all__ = [
    "StageRecord",
    "canonical_json",
    "check_own",
    "content_of",
    "content_sha256",
    "describe_file",
    "facts_of",
    "file_sha256",
    "fingerprint",
    "finished",
    "fsync",
    "held_if_free",
    "is_users",
    "lock",
    "lock_file",
    "read_record",
    "run_stage",
    "waiting_lock",
    "write_atomically",
    "written_atomically",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageRecord:
    """What a finished stage holds: its fingerprint, its files, and the facts that `make` returned."""

    fingerprint: str
    files: Mapping[str, Mapping[str, Any]]
    """Relative path -> {"sha256", "size", and "rows" for Parquet}."""
    facts: Mapping[str, Any]

    @property
    def content(self) -> str:
        """One hash over the files' hashes: what a following stage takes as its input."""
        return fingerprint({path: file["sha256"] for path, file in self.files.items()})


def canonical_json(value: object) -> str:
    """JSON with sorted keys, no spaces and no escapes, so that equal values are equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(parts: Mapping[str, object]) -> str:
    """SHA-256 (hex) over the canonical JSON of `parts`."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(path: Path) -> str:
    """`file_sha256`, computed once for a file that does not change."""
    known = path.stat()
    return _sha256_of(path, known.st_mtime_ns, known.st_size, known.st_ino)


@lru_cache(16)
def _sha256_of(path: Path, *_: int) -> str:
    return file_sha256(path)


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader sees the old bytes or the new, never a part."""
    with written_atomically(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def written_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write into: under a temporary name, then fsync and rename. What fails leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync(path.parent)


def run_stage(
    folder: Path,
    parts: Mapping[str, object],
    make: Callable[[Path, Path], Mapping[str, Any]],
    *,
    record_name: str = "stage.json",
) -> StageRecord:
    """Return the finished stage in `folder`, making it first unless it was made from the same `parts`.

    `make(out, work)` writes the final files into `out` (empty at each start) and may keep partial results in `work`,
    which an interrupted run with the same parts finds again; it returns facts that go into the record, plain data
    that depends on nothing but the parts. Errors of `make` pass through and leave the old stage and `work` as they are.
    """
    if record := finished(folder, parts, record_name=record_name):
        return record
    key = fingerprint(parts)
    work = folder.parent / ".work" / f"{folder.name}-{key[:16]}"
    out = work / "out"
    _clear_stale(work)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    facts = make(out, work)
    record = StageRecord(key, _describe(out, record_name), facts)
    text = {"hnhub": __version__, "fingerprint": key, "files": record.files, **facts}
    write_atomically(out / record_name, json.dumps(text, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    for path in sorted(out.rglob("*")):
        fsync(path)
    fsync(out)
    if folder.exists():
        old = work / "old"
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    out.rename(folder)
    fsync(folder.parent)
    shutil.rmtree(work)
    return record


def finished(folder: Path, parts: Mapping[str, object], *, record_name: str = "stage.json") -> StageRecord | None:
    """The record of the stage in `folder` if it was made from `parts` (or put there by the user), else None.

    Raises InputError if a finished stage's file was changed or lost since.
    """
    if not folder.is_dir():
        return None
    if not (folder / record_name).exists():
        files = _describe(folder, record_name)
        return StageRecord("user", files, {}) if files else None
    record = read_record(folder / record_name)
    if record.fingerprint != fingerprint(parts):
        return None
    for name, file in record.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != file["size"] or file_sha256(path) != file["sha256"]:
            raise InputError(
                f"{path}: is not the file that the stage wrote",
                do=f"delete {folder} to make it again, or only {folder / record_name} to use the files as your own",
            )
    return record


def is_users(folder: Path, *, record_name: str = "stage.json") -> bool:
    """Whether a stage's folder was put there by the user: it holds files, and no record."""
    return folder.is_dir() and not (folder / record_name).exists() and bool(_files(folder, record_name))


def check_own(folder: Path, *, record_name: str = "stage.json") -> None:
    """Raise UsageError if a folder holds something else than such a stage: where none may be put by the user, it is not theirs to lose."""
    if folder.is_dir() and not (folder / record_name).is_file() and any(folder.iterdir()):
        raise UsageError(f"{folder}: holds something else", do="give another --out, a folder that is new or empty")


def read_record(path: Path) -> StageRecord:
    """Read a stage's record, or a dataset's manifest. Raises InputError if it can't be read."""
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        facts = {key: value for key, value in text.items() if key not in ("hnhub", "fingerprint", "files")}
        files = {name: {**entry, "sha256": str(entry["sha256"])} for name, entry in text["files"].items()}
        return StageRecord(str(text["fingerprint"]), files, facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: can't be read as a record ({error})", do=f"delete {path.parent}, and make or pull it again"
        ) from error


def facts_of(folder: Path) -> dict[str, Any]:
    """What a finished stage recorded; nothing if the user put it there."""
    record = folder / "stage.json"
    return dict(read_record(record).facts) if record.exists() else {}


def content_of(folder: Path) -> str | None:
    """One hash over a finished stage's files; None if the user put it there."""
    record = folder / "stage.json"
    return read_record(record).content if record.exists() else None


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a run folder for one build. Raises UsageError at once if another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{folder}: another build (process {_holder(file)}) is at work here",
                do="wait for it, or give another --out",
            ) from None
        _sign(file)
        yield


@contextmanager
def waiting_lock(folder: Path, name: str) -> Iterator[None]:
    """Hold one thing in a folder; another process says that it waits, and does, until the holder is done or dead."""
    folder.mkdir(parents=True, exist_ok=True)
    with lock_file(folder, name).open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("%s: process %s is at work on it; waiting for that", folder / name, _holder(file))
            fcntl.flock(file, fcntl.LOCK_EX)
        _sign(file)
        yield


def _holder(file: TextIO) -> str:
    """The process that holds a lock, as it signed the file."""
    file.seek(0)
    return file.read().strip() or "unknown"


def _sign(file: TextIO) -> None:
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()


def lock_file(folder: Path, name: str) -> Path:
    """What `waiting_lock` holds."""
    return folder / f".{name}.lock"


@contextmanager
def held_if_free(path: Path) -> Iterator[bool]:
    """Hold a lock's file if nobody does, and say whether."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _clear_stale(work: Path) -> None:
    """Take away what interrupted runs of the same stage with other parts left. The caller holds the stage's lock."""
    stage, _, key = work.name.rpartition("-")
    for other in work.parent.iterdir() if work.parent.is_dir() else ():
        name, _, digits = other.name.rpartition("-")
        if name == stage and digits != key and len(digits) == len(key) and set(digits) <= set("0123456789abcdef"):
            shutil.rmtree(other, ignore_errors=True)


def _describe(folder: Path, record_name: str) -> dict[str, dict[str, Any]]:
    """Every file but the record, and but hidden ones, which a file manager may leave."""
    return {path.relative_to(folder).as_posix(): describe_file(path) for path in _files(folder, record_name)}


def _files(folder: Path, record_name: str) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name != record_name
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def describe_file(path: Path) -> dict[str, Any]:
    """A file's entry in a record: "sha256", "size", and "rows" for Parquet. Raises InputError for Parquet that can't be read."""
    entry: dict[str, Any] = {"sha256": file_sha256(path), "size": path.stat().st_size}
    if path.suffix == ".parquet":
        import pyarrow.parquet

        try:
            entry["rows"] = pyarrow.parquet.read_metadata(path).num_rows
        except (OSError, pyarrow.ArrowException) as error:
            raise InputError(
                f"{path}: can't be read as Parquet ({error})", do="put a whole file there, or delete its folder"
            ) from error
    return entry


def fsync(path: Path) -> None:
    """Have a file or a folder on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
