"""What a model is asked and what it answers."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hnhub.records import Provenance

__all__ = ["THINKING_ROOM", "Answer", "LanguageModel", "Message", "Request", "Thinking"]

Thinking = Literal["auto", "on", "off"]

THINKING_ROOM = 4096
"""Tokens that a model may think in before it answers, where thinking is on."""


@dataclass(frozen=True)
class Message:
    """One turn of a chat: role is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """One question to a model. Everything but `id` and `method` is part of the journal's key."""

    id: str
    """The caller's own name for it, e.g. the query id."""
    method: str
    """Whose tokens these are in the totals: `queries`, `llm`, `llm-pos`, `llm-graded`, `judge`."""
    messages: tuple[Message, ...]
    schema: str | None
    """The JSON schema of the answer, as canonical JSON; None for free text."""
    prompt_sha256: str
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    thinking: Thinking = "auto"
    """Whether the model is told to think before it answers; `auto` leaves it to the server."""
    extra_body: str | None = None
    """Further members of the request's body, as canonical JSON."""

    @property
    def most_tokens(self) -> int:
        """What the server may write: the answer, and where thinking is on the thoughts before it."""
        return self.max_tokens + (THINKING_ROOM if self.thinking == "on" else 0)

    @property
    def sampling(self) -> dict[str, Any]:
        """How it is answered, beside the texts: for keys and provenance. What is not set is left out."""
        extra = {} if self.extra_body is None else {"extra_body": json.loads(self.extra_body)}
        thinking = {} if self.thinking == "auto" else {"thinking": self.thinking}
        known = {"max_tokens": self.max_tokens, "temperature": self.temperature, "top_p": self.top_p}
        return {**known, **thinking, **extra}


@dataclass(frozen=True)
class Answer:
    """What came back. Exactly one of `failure` and `text` is None."""

    request: Request
    text: str | None
    value: Any
    """The text as parsed by the request's schema; None without a schema or on failure."""
    failure: str | None
    """Why there is no usable answer, in one line (e.g. `not JSON after 3 asks`)."""
    prompt_tokens: int
    completion_tokens: int
    provenance: Provenance
    cached: bool
    """True if the journal had it and nothing was sent."""


class LanguageModel(Protocol):
    """Asks many things at once."""

    def ask(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request, in the order given, in memory that does not grow with their number.

        A request that the model can't answer gives an Answer with `failure`. Raises ServiceError if the endpoints
        are gone, LimitReached if the budget is; answers already given stay in the journal.
        """
        ...
