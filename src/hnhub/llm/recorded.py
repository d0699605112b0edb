"""A model that only says what it said before: of a finished build, every answer and every failure is known and nothing is sent.

Answers travel between journals as rows (`Kept`), without the requests, which hold the corpus's text: their keys do.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hnhub.errors import InputError
from hnhub.llm.budget import Budget
from hnhub.llm.client import Model
from hnhub.llm.dispatch import Dispatcher
from hnhub.llm.endpoints import Endpoint, Served
from hnhub.llm.journal import Failed, Journal, Stored, reading
from hnhub.llm.types import Thinking

__all__ = ["Kept", "keep", "kept", "open_recorded"]

_AHEAD = 64
"""Requests that are looked up together."""
_BATCH = 500


@dataclass(frozen=True)
class Kept:
    """One request's outcome: an answer's text, or why there is none."""

    key: bytes
    """32 bytes that stand for the whole request (`hnhub.llm.journal.request_key`)."""
    method: str
    model: str
    revision: str | None
    server: str | None
    text: str | None
    finish: str | None
    prompt_tokens: int
    completion_tokens: int
    failure: str | None = None
    """In our words, without the server's."""


@contextmanager
def open_recorded(
    models: Sequence[Mapping[str, str | None]],
    *,
    journal: Path,
    thinking: Thinking = "auto",
    extra_body: str | None = None,
    used: set[bytes] | None = None,
) -> Iterator[tuple[Model, ...]]:
    """Models as they were (`Model.identity` of each), answering from a journal alone. `used` gets the keys of what they were asked.

    A request that is not there is an InputError: nothing is sent.
    """
    with Journal(journal) as store, ExitStack() as stack:
        dispatcher = Dispatcher(store, Budget(), deadline=1.0, patience=1.0)
        stack.callback(dispatcher.close)

        def find(key: bytes) -> Stored | Failed | None:
            if used is not None:
                used.add(key)
            return store.outcome(key)

        yield tuple(
            Model(
                Served("openai", str(one["model"]), one["revision"], one["server"]),
                store,
                dispatcher,
                start=partial(_refuse, one, journal),
                in_flight=_AHEAD,
                grace=0.0,
                thinking=thinking,
                extra_body=extra_body,
                find=find,
            )
            for one in models
        )


def kept(journal: Path, keys: Iterable[bytes]) -> Iterator[Kept]:
    """The outcomes of these requests, in the order of their keys. Raises InputError if there is no journal."""
    with reading(journal) as connection:
        line = sorted(keys)
        for at in range(0, len(line), _BATCH):
            yield from sorted(_outcomes(connection, line[at : at + _BATCH]), key=lambda one: one.key)


def keep(journal: Path, outcomes: Iterable[Kept]) -> None:
    """Put outcomes into a journal, which is made if it is missing; what it knows already stays."""
    with Journal(journal):
        pass
    with reading(journal) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        for one in outcomes:
            if one.text is None:
                connection.execute(
                    "INSERT INTO failures (key, made, method, model, reason) VALUES (?, 0, ?, ?, ?)",
                    (one.key, one.method, one.model, one.failure or "unknown"),
                )
                continue
            connection.execute(
                "INSERT OR IGNORE INTO answers VALUES (?, 0, ?, ?, ?, ?, x'', '', '', 0, ?, ?, ?, ?)",
                (
                    *(one.key, one.method, one.model, one.revision, one.server),
                    *(one.text, one.finish, one.prompt_tokens, one.completion_tokens),
                ),
            )


def _outcomes(connection: sqlite3.Connection, keys: Sequence[bytes]) -> Iterator[Kept]:
    marks = ",".join("?" * len(keys))
    found = set()
    for row in connection.execute(
        "SELECT key, method, model, revision, server, text, finish, prompt_tokens, completion_tokens "  # noqa: S608 - marks
        f"FROM answers WHERE key IN ({marks})",
        keys,
    ):
        found.add(row[0])
        yield Kept(*row)
    missing = [key for key in keys if key not in found]
    latest: dict[bytes, Kept] = {}
    for key, method, model, reason in connection.execute(
        "SELECT key, method, model, reason FROM failures "  # noqa: S608 - question marks only
        f"WHERE key IN ({','.join('?' * len(missing))}) ORDER BY id",
        missing,
    ):
        latest[key] = Kept(key, method, model, None, None, None, None, 0, 0, reason.partition(": ")[0])
    yield from latest.values()


def _refuse(model: Mapping[str, str | None], journal: Path) -> Sequence[Endpoint]:
    raise InputError(
        f"{journal}: lacks answers of {model['model']} that this build asks for",
        do="give --endpoint with that model, or a dataset that was pushed --with-answers",
    )
