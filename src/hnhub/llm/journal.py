"""The journal: every answer that a model gave and every failure, in one SQLite file that several builds may share.

An answer's key is the SHA-256 of the whole request: model and revision, messages, JSON schema, prompt hash, sampling
parameters, seed. What does not change from request to request (few-shot messages, schema, parameters) is stored once,
as a context. Answers are stored as the server gave them; whether they parse is decided when they are read, so a rerun
takes the same path through re-asks and sends nothing. A failure is stored apart and is never found as an answer.
"""

import hashlib
import json
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, Self

from hnhub.errors import InputError
from hnhub.llm.types import Message, Request
from hnhub.stages import canonical_json

__all__ = ["Failed", "Journal", "Stored", "export", "prune", "reading", "request_key", "stats"]

log = logging.getLogger(__name__)

_APPLICATION = 0x686E6875  # "hnhu", so that `file` and we know the file
_VERSION = 1
_BATCH = 512
_GATHER = 0.01
"""Seconds in which answers gather for one commit: fewer commits and wake-ups are an eighth of the client's CPU."""
_TABLES = """
CREATE TABLE contexts (sha256 BLOB PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE answers (
    key BLOB PRIMARY KEY, made INTEGER NOT NULL, method TEXT NOT NULL, model TEXT NOT NULL, revision TEXT,
    server TEXT, context BLOB NOT NULL, role TEXT NOT NULL, content TEXT NOT NULL, seed INTEGER NOT NULL,
    text TEXT NOT NULL, finish TEXT, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL);
CREATE TABLE failures (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, made INTEGER NOT NULL, method TEXT NOT NULL, model TEXT NOT NULL,
    reason TEXT NOT NULL);
CREATE TABLE served (endpoint TEXT PRIMARY KEY, content TEXT NOT NULL);
"""
_FIND = "SELECT text, finish, prompt_tokens, completion_tokens, server FROM answers WHERE key = ?"
_FAILED = "SELECT reason FROM failures WHERE key = ? ORDER BY id DESC LIMIT 1"
_PRUNE = "DELETE FROM {} WHERE (?1 IS NULL OR made < ?1) AND (?2 IS NULL OR model = ?2)"


@dataclass(frozen=True)
class Stored:
    """What a server answered, as it stands in the journal."""

    text: str
    finish: str | None
    prompt_tokens: int
    completion_tokens: int
    server: str | None


@dataclass(frozen=True)
class Failed:
    """Why a request got no answer."""

    reason: str


def request_key(request: Request, model: str, revision: str | None) -> bytes:
    """32 bytes that stand for the whole request."""
    last = request.messages[-1]
    _, context = _context(request)
    rest = canonical_json([model, revision, last.role, last.content, request.seed])
    return hashlib.sha256(context + rest.encode()).digest()


def _context(request: Request) -> tuple[str, bytes]:
    """What many requests share, as canonical JSON, and its hash."""
    sampling = (request.max_tokens, request.temperature, request.top_p, request.thinking, request.extra_body)
    return _context_of(request.messages[:-1], request.schema, request.prompt_sha256, sampling)


@lru_cache(64)
def _context_of(
    messages: tuple[Message, ...],
    schema: str | None,
    prompt_sha256: str,
    sampling: tuple[int, float, float, str, str | None],
) -> tuple[str, bytes]:
    max_tokens, temperature, top_p, thinking, extra_body = sampling
    # What is not set is no part of the key: an old journal keeps its answers.
    more = ({} if thinking == "auto" else {"thinking": thinking}) | (
        {} if extra_body is None else {"extra_body": extra_body}
    )
    text = canonical_json(
        {
            "max_tokens": max_tokens,
            "messages": [[message.role, message.content] for message in messages],
            "prompt_sha256": prompt_sha256,
            "schema": schema,
            "temperature": temperature,
            "top_p": top_p,
            **more,
        }
    )
    return text, hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True)
class _Write:
    key: bytes
    request: Request
    model: str
    revision: str | None
    outcome: Stored | Failed
    then: Callable[[Stored | Failed], None] | None


class Journal:
    """One process's handle on the file. A thread of its own writes in batches."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises InputError if it is not a journal."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._reader = _connect(path)
        self._reading = threading.Lock()
        self._writes: queue.SimpleQueue[_Write | Callable[[], None] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._broken: Exception | None = None
        self.on_broken: Callable[[], None] = lambda: None
        """Called in the writing thread when it has to give up (a full disk, say)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, key: bytes) -> Stored | None:
        """The answer to the request with this key."""
        with self._reading:
            row = self._reader.execute(_FIND, (key,)).fetchone()
        return Stored(*row) if row else None

    def failure(self, key: bytes) -> Failed | None:
        """Why the request with this key got no answer, the last time that it failed."""
        with self._reading:
            row = self._reader.execute(_FAILED, (key,)).fetchone()
        return Failed(*row) if row else None

    def outcome(self, key: bytes) -> Stored | Failed | None:
        """The answer to the request with this key, else why there is none."""
        return self.find(key) or self.failure(key)

    def add(
        self,
        key: bytes,
        request: Request,
        model: str,
        revision: str | None,
        *,
        outcome: Stored | Failed,
        then: Callable[[Stored | Failed], None] | None = None,
    ) -> None:
        """Write an answer or a failure; `then` gets it, in the writing thread, once it is on the disk.

        Where another build was first with an answer to the same request, `then` gets that one. Raises InputError if
        the file can't be written any more.
        """
        if error := self.error():
            raise error
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_all, name="hnhub-journal", daemon=True)
            self._writer.start()
        self._writes.put(_Write(key, request, model, revision, outcome, then))

    def close(self) -> None:
        """Finish the writes and close."""
        if self._writer is not None:
            self._writes.put(None)
            self._writer.join()
            self._writer = None
        self._reader.close()

    def error(self) -> InputError | None:
        """What stopped the writing, if anything did."""
        if self._broken is None:
            return None
        if isinstance(self._broken, sqlite3.Error):
            return InputError(
                f"{self.path}: can't be written ({self._broken})", do="make room or mend it, and run again"
            )
        what = f"{type(self._broken).__name__}: {self._broken}"
        return InputError(f"{self.path}: the writer ended in a bug ({what})", do="report this, and run again")

    def remember(self, endpoint: str, served: dict[str, Any]) -> None:
        """Keep what an endpoint said it serves, for a rerun that finds it gone and needs nothing from it."""
        with self._reading:
            self._reader.execute("INSERT OR REPLACE INTO served VALUES (?, ?)", (endpoint, canonical_json(served)))

    def recall(self, endpoint: str) -> dict[str, Any] | None:
        """What the endpoint served when it was last seen."""
        with self._reading:
            row = self._reader.execute("SELECT content FROM served WHERE endpoint = ?", (endpoint,)).fetchone()
        return dict(json.loads(row[0])) if row else None

    def when_written(self, call: Callable[[], None]) -> None:
        """Call, in the writing thread, when all that was added so far is on the disk; at once if nothing was."""
        if self._writer is None or self._broken or not self._writer.is_alive():
            call()
        else:
            self._writes.put(call)

    def _write_all(self) -> None:
        batch: list[_Write | Callable[[], None]] | None = []
        connection = None
        try:
            connection = _connect(self.path)
            while (batch := self._next_batch()) is not None:
                writes = [item for item in batch if isinstance(item, _Write)]
                outcomes = self._write(connection, writes)
                for write, outcome in zip(writes, outcomes, strict=True):
                    if write.then is not None:
                        write.then(outcome)
                for item in batch:
                    if not isinstance(item, _Write):
                        item()
        except Exception as error:  # whatever it is, those who wait have to hear of it
            if not isinstance(error, sqlite3.Error):
                log.exception("the journal's writer ended in a bug")
            self._broken = error
            self.on_broken()
            self._give_up(batch or ())
        finally:
            if connection is not None:
                connection.close()

    def _give_up(self, batch: "Sequence[_Write | Callable[[], None]]") -> None:
        """Nobody may wait for what will never be written."""
        waiting: list[_Write | Callable[[], None]] = list(batch)
        while item := waiting.pop() if waiting else self._writes.get():
            if not isinstance(item, _Write):
                with suppress(Exception):
                    item()

    def _next_batch(self) -> "list[_Write | Callable[[], None]] | None":
        """All that comes within a moment of the first, at most so many. None at the end."""
        item = self._writes.get()
        if item is not None:
            time.sleep(_GATHER)
        batch = []
        while item is not None:
            batch.append(item)
            if len(batch) == _BATCH:
                return batch
            try:
                item = self._writes.get_nowait()
            except queue.Empty:
                return batch
        if batch:
            self._writes.put(None)
        return batch or None

    def _write(self, connection: sqlite3.Connection, batch: Sequence[_Write]) -> list[Stored | Failed]:
        now = int(time.time())
        settled: list[Stored | Failed] = []
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for write in batch:
                request, outcome = write.request, write.outcome
                if isinstance(outcome, Failed):
                    connection.execute(
                        "INSERT INTO failures (key, made, method, model, reason) VALUES (?, ?, ?, ?, ?)",
                        (write.key, now, request.method, write.model, outcome.reason),
                    )
                    settled.append(outcome)
                    continue
                context, digest = _context(request)
                connection.execute("INSERT OR IGNORE INTO contexts VALUES (?, ?)", (digest, context))
                last = request.messages[-1]
                added = connection.execute(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(write.key, now, request.method, write.model, write.revision, outcome.server, digest),
                        *(last.role, last.content, request.seed, outcome.text, outcome.finish),
                        *(outcome.prompt_tokens, outcome.completion_tokens),
                    ),
                ).rowcount
                settled.append(outcome if added else Stored(*connection.execute(_FIND, (write.key,)).fetchone()))
        return settled


def stats(path: Path) -> dict[str, Any]:
    """Counts and tokens by model and method, failures by reason, and the file's size in bytes."""
    with reading(path) as connection:
        answers = connection.execute(
            "SELECT model, revision, method, count(*), sum(prompt_tokens), sum(completion_tokens), min(made), max(made) "
            "FROM answers GROUP BY model, revision, method ORDER BY model, revision, method"
        ).fetchall()
        failures = connection.execute(
            "SELECT model, method, reason, count(*) FROM failures GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3"
        ).fetchall()
    names = ("model", "revision", "method", "answers", "prompt_tokens", "completion_tokens", "first", "last")
    return {
        "path": str(path),
        "bytes": sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")),
        "answers": [dict(zip(names, row, strict=True)) for row in answers],
        "failures": [dict(zip(("model", "method", "reason", "count"), row, strict=True)) for row in failures],
    }


def export(path: Path) -> Iterator[dict[str, Any]]:
    """Every answer with its whole request, in the order in which they were written."""
    with reading(path) as connection:
        rows = connection.execute(
            "SELECT key, made, method, model, revision, server, content_of.content, role, answers.content, seed, text, "
            "finish, prompt_tokens, completion_tokens FROM answers JOIN contexts AS content_of "
            "ON content_of.sha256 = answers.context ORDER BY answers.rowid"
        )
        for key, made, method, model, revision, server, context, role, content, seed, text, *counts in rows:
            request = json.loads(context)
            request["messages"] = [*request["messages"], [role, content]]
            yield {
                "key": key.hex(),
                "made": made,
                "method": method,
                "model": model,
                "revision": revision,
                "server": server,
                "request": {**request, "seed": seed},
                "text": text,
                **dict(zip(("finish", "prompt_tokens", "completion_tokens"), counts, strict=True)),
            }


def prune(
    path: Path, *, before: int | None = None, model: str | None = None, failures_only: bool = False
) -> dict[str, int]:
    """Delete answers and failures made before a Unix time and of a model (each None = any), and give the room back.

    Returns how many of each went.
    """
    with reading(path) as connection:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            failures = connection.execute(_PRUNE.format("failures"), (before, model)).rowcount
            answers = 0
            if not failures_only:
                answers = connection.execute(_PRUNE.format("answers"), (before, model)).rowcount
                connection.execute("DELETE FROM contexts WHERE sha256 NOT IN (SELECT context FROM answers)")
        connection.execute("VACUUM")
    return {"answers": answers, "failures": failures}


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the journal at `path`. Raises InputError if there is none."""
    if not path.is_file():
        raise InputError(f"{path}: no journal is here", do="build something with an LLM first, or name another file")
    connection = _connect(path)
    try:
        yield connection
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
    try:
        application, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if (application, version) == (0, 0):
            _make(connection)
        elif (application, version) != (_APPLICATION, _VERSION):
            _refuse(f"application {application:#x}, version {version}")
        # FULL: a commit is on the disk when it returns, also if the power fails.
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise InputError(
            f"{path}: can't be used as a journal ({error})", do="move it away or name another file"
        ) from error
    return connection


def _make(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:  # nobody else made it meanwhile
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            connection.execute("ROLLBACK")
            _refuse("a database of something else")
        for statement in filter(str.strip, _TABLES.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def _refuse(what: str) -> NoReturn:
    raise sqlite3.DatabaseError(what)
