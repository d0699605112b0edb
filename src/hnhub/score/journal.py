"""Scores on disk as they come, so that a killed run sends only what is missing."""

import hashlib
import os
import threading
from pathlib import Path

__all__ = ["ScoreJournal", "pair_key"]

Key = tuple[str, str]


def pair_key(query: str, document: str) -> Key:
    """Hashes of both texts: equal texts are scored once, whatever their ids."""
    return _hash(query), _hash(document)


class ScoreJournal:
    """An append-only file of lines `query document score`; the score is written so that it reads back bit for bit.

    One file belongs to one model (`name` is part of the file's name). A last line that a kill cut off is dropped.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"scores-{name}.txt"
        self._scores: dict[Key, float] = {}
        self._lock = threading.Lock()
        whole = 0
        if self._path.exists():
            with self._path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    query, document, score = line.decode("ascii").split()
                    self._scores[query, document] = float.fromhex(score)
                    whole += len(line)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.ftruncate(self._descriptor, whole)
        os.lseek(self._descriptor, 0, os.SEEK_END)

    def __contains__(self, key: Key) -> bool:
        return key in self._scores

    def __getitem__(self, key: Key) -> float:
        return self._scores[key]

    def __len__(self) -> int:
        return len(self._scores)

    def add(self, scores: dict[Key, float]) -> None:
        """Append and fsync. Safe from several threads."""
        lines = "".join(f"{query} {document} {score.hex()}\n" for (query, document), score in scores.items())
        with self._lock:
            data = lines.encode("ascii")
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)
            self._scores |= scores

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
