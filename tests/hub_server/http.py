"""Requests and answers as plain values, errors as the Hub words them, and the log."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from hub_server.store import User

__all__ = ["Answer", "Logged", "Problem", "Request", "created", "decode", "ok"]


@dataclass(frozen=True)
class Request:
    """What was asked. `parts` is the path, split before it was unquoted: a revision may hold a slash."""

    method: str
    path: str
    parts: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes
    base: str
    """This server's URL, as the client wrote it."""
    user: User | None

    @staticmethod
    def parse(method: str, target: str, headers: dict[str, str], body: bytes, user: User | None) -> "Request":
        """From what stands on the wire; header names in lower case."""
        url = urlsplit(target)
        parts = tuple(unquote(part) for part in url.path.strip("/").split("/"))
        query = tuple(parse_qsl(url.query, keep_blank_values=True))
        return Request(method, url.path, parts, query, headers, body, f"http://{headers['host']}", user)

    def flag(self, name: str) -> bool:
        """Whether a query parameter is on."""
        return dict(self.query).get(name, "").lower() in ("1", "true")

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body or b"{}")

    def lines(self) -> list[Any]:
        """The body as ndjson."""
        return [json.loads(line) for line in self.body.splitlines() if line]

    def form(self) -> list[tuple[str, str]]:
        """The body as a form."""
        return parse_qsl(self.body.decode(), keep_blank_values=True)


@dataclass(frozen=True)
class Answer:
    """What is answered. For HEAD, Content-Length says `length` and nothing is sent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass(frozen=True)
class Logged:
    """A line of the log."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    status: int
    """What was answered; 0 if the connection was dropped."""
    host: str
    user: str | None
    received: int
    fault: str | None = None

    def __str__(self) -> str:
        fault = f" [{self.fault}]" if self.fault else ""
        return f"{self.status:3} {self.method:6} {self.path} {self.received} B{fault}"


class Problem(Exception):
    """An answer that the clients turn into an error."""

    def __init__(
        self, status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(message)
        # Header values can't hold what a file name may.
        safe = message.encode("ascii", "replace").decode()
        head = {
            "X-Error-Message": safe,
            "X-Request-Id": "test",
            **({"X-Error-Code": code} if code else {}),
            **(headers or {}),
        }
        body = json.dumps({"error": message, **more}).encode()
        self.answer = Answer(status, body, {"Content-Type": "application/json", **head})


def ok(value: object, headers: dict[str, str] | None = None, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


def created() -> Answer:
    """An answer without content worth reading."""
    return ok({}, status=201)


def decode(text: str) -> bytes:
    """base64."""
    return base64.b64decode(text)
