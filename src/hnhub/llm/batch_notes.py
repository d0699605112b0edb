"""Which batches were sent, noted in the journal's file: a run that was killed goes on from there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hnhub.llm.journal import reading

__all__ = ["Note", "forget", "note", "notes"]

_KEY = 32
_TABLE = (
    "CREATE TABLE IF NOT EXISTS batches (tag TEXT PRIMARY KEY, endpoint TEXT NOT NULL, id TEXT, keys BLOB NOT NULL)"
)


@dataclass(frozen=True)
class Note:
    """A batch: a hash over its file, where it went, its id at the provider once that is known, and its requests."""

    tag: str
    endpoint: str
    id: str | None
    keys: tuple[bytes, ...]


def note(journal: Path, one: Note) -> None:
    """Write a note, on the disk when this returns; in place of an earlier one of the same batch."""
    with reading(journal) as connection:
        connection.execute(_TABLE)
        row = (one.tag, one.endpoint, one.id, b"".join(one.keys))
        connection.execute("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", row)


def notes(journal: Path, endpoint: str) -> Iterator[Note]:
    """The notes of an endpoint."""
    with reading(journal) as connection:
        connection.execute(_TABLE)
        rows = connection.execute("SELECT * FROM batches WHERE endpoint = ? ORDER BY tag", (endpoint,)).fetchall()
    for tag, where, found, keys in rows:
        yield Note(tag, where, found, tuple(keys[at : at + _KEY] for at in range(0, len(keys), _KEY)))


def forget(journal: Path, tag: str) -> None:
    """Take a note out."""
    with reading(journal) as connection:
        connection.execute("DELETE FROM batches WHERE tag = ?", (tag,))
