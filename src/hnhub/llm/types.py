"""What a model is asked and what it answers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from hnhub.records import Provenance

__all__ = ["Answer", "LanguageModel", "Message", "Request"]


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
    """Whose tokens these are in the totals: `queries`, `llm`, `llm-pos`, `judge`."""
    messages: tuple[Message, ...]
    schema: str | None
    """The JSON schema of the answer, as canonical JSON; None for free text."""
    prompt_sha256: str
    max_tokens: int
    temperature: float
    top_p: float
    seed: int


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
