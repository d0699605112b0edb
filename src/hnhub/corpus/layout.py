"""Which of a folder's files hold the documents, the queries and the judgements."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hnhub.errors import InputError

__all__ = ["PATTERNS", "Layout", "find_layout", "has_tables", "tables"]

_FORMATS = ("jsonl", "jsonl.gz", "parquet", "csv", "csv.gz", "tsv", "tsv.gz")
_QRELS_FORMATS = ("tsv", "tsv.gz", "jsonl", "jsonl.gz", "parquet", "csv", "csv.gz")
"""In order of preference, where a folder holds the same table twice."""

PATTERNS = ("corpus*", "corpus/*", "queries*", "queries/*", "qrels*", "qrels/*", "data/*", "default/*", "*.tsv")
"""What is fetched of a repository on the Hub: every place where `find_layout` looks."""

_SPLITS = ("train", "dev", "test")
"""The order in which splits are written; others follow by name."""

_SHARD = re.compile(r"[-.]\d{5}-of-\d{5}$")
_NUMBERED = re.compile(r"(.+)[-.](\d{5})-of-(\d{5})\b")


@dataclass(frozen=True)
class Layout:
    """The files of a corpus. A table in several files is read in the order given; one of documents alone has no others."""

    folder: Path
    documents: tuple[Path, ...]
    queries: tuple[Path, ...]
    qrels: Mapping[str, tuple[Path, ...]]
    """By split, in the order of writing."""

    def files(self) -> list[Path]:
        """Every file, documents first, and `columns.toml` if the folder has one."""
        qrels = [path for paths in self.qrels.values() for path in paths]
        columns = [path for path in (self.folder / "columns.toml",) if path.is_file()]
        return [*self.documents, *self.queries, *qrels, *columns]


def find_layout(folder: Path, qrels_folder: Path | None = None, documents: tuple[Path, ...] = ()) -> Layout:
    """Find `corpus.*`, `queries.*` and `qrels/<split>.*`, or the shards that the Hub's repositories hold instead.

    `qrels_folder` is a second place for the judgements (BeIR keeps them in a repository of their own),
    `documents` are their files where they lie elsewhere.
    Raises InputError if one of the three is missing, or a shard of one.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", do="give a folder with corpus.jsonl, queries.jsonl and qrels/")
    qrels = _qrels(folder) or (_qrels(qrels_folder) if qrels_folder else {})
    if not qrels:
        raise InputError(f"{folder}: holds no qrels", do="add qrels/<split>.tsv with query-id, corpus-id and score")
    found = Layout(folder, documents or _table(folder, "corpus"), _table(folder, "queries"), qrels)
    _check_whole(found.files())
    return found


def has_tables(folder: Path) -> bool:
    """True if the folder holds a table of documents or judgements, so that it is meant as a corpus in a layout above."""
    return bool(tables(folder, "corpus") or _qrels(folder))


def _table(folder: Path, name: str) -> tuple[Path, ...]:
    if found := tables(folder, name):
        return found
    formats = ", ".join(_FORMATS)
    raise InputError(f"{folder / name}.jsonl: missing", do=f"put {name}.<format> there ({formats})")


def tables(folder: Path, name: str) -> tuple[Path, ...]:
    """The files of a table, whole or in shards; none if there is none."""
    for ending in _FORMATS:
        for candidates in ([folder / f"{name}.{ending}"], _shards(folder, name, ending), _files(folder / name, ending)):
            found = tuple(path for path in candidates if path.is_file())
            if found:
                return found
    return ()


def _qrels(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The judgements of one place, by split; a split that stands there in two formats is read in the first."""
    places = (folder / "qrels", folder, folder / "default", folder / "data")
    place = next((place for ending in _QRELS_FORMATS for place in places if _splits(place, ending)), None)
    splits: dict[str, tuple[Path, ...]] = {}
    for ending in _QRELS_FORMATS if place else ():
        assert place
        splits = {**_splits(place, ending), **splits}
    known = [split for split in _SPLITS if split in splits]
    return {split: splits[split] for split in [*known, *sorted(set(splits) - set(_SPLITS))]}


def _splits(place: Path, ending: str) -> dict[str, tuple[Path, ...]]:
    splits: dict[str, tuple[Path, ...]] = {}
    for path in _files(place, ending):
        split = _split(path, ending)
        if place.name == "qrels" or split in _SPLITS:
            splits[split] = (*splits.get(split, ()), path)
    return splits


def _split(path: Path, ending: str) -> str:
    split = _SHARD.sub("", path.name.removesuffix(f".{ending}"))
    return "dev" if split == "validation" else split


def _shards(folder: Path, name: str, ending: str) -> list[Path]:
    return [path for path in _files(folder, ending) if _SHARD.sub("", path.name.removesuffix(f".{ending}")) == name]


def _files(folder: Path, ending: str) -> list[Path]:
    return sorted(path for path in folder.glob(f"*.{ending}") if path.is_file() and not path.name.startswith("."))


def _check_whole(files: Iterable[Path]) -> None:
    """Raise InputError if one of the shards that a file's name counts is not among the files."""
    numbers: dict[tuple[Path, str, int], set[int]] = {}
    for path in files:
        if found := _NUMBERED.match(path.name):
            numbers.setdefault((path.parent, found[1], int(found[3])), set()).add(int(found[2]))
    for (folder, name, count), there in numbers.items():
        if missing := sorted(set(range(count)) - there):
            raise InputError(
                f"{folder / name}-{missing[0]:05}-of-{count:05}: missing ({len(there)} of {count} shards are there)",
                do="fetch the others, too",
            )
