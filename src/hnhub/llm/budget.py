"""What a build may spend. A request is sent only if its worst case still fits, so the limit is never passed."""

import threading
from dataclasses import dataclass

from hnhub.errors import LimitReached, UsageError
from hnhub.llm.types import Request

__all__ = ["Budget", "Estimate", "Prices", "estimate", "worst_case"]

_PER_MESSAGE = 16
_PER_REQUEST = 160
"""Tokens that a chat template may add around the messages (some add a system text of their own)."""
_CHARACTERS_PER_TOKEN = 4.0


@dataclass(frozen=True)
class Prices:
    """Of a million tokens, in the user's currency."""

    prompt: float
    completion: float

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6

    def times(self, factor: float) -> "Prices":
        """So much of them, for a batch."""
        return Prices(self.prompt * factor, self.completion * factor)


@dataclass(frozen=True)
class Estimate:
    """What a number of requests is expected to take."""

    requests: int
    sample: int
    """How many rendered requests it was computed from."""
    prompt_tokens: int
    """From the sample's characters, at 4 a token: good to about a quarter either way for English."""
    completion_tokens: int
    """At most: every answer as long as it may be."""

    def cost(self, prices: Prices) -> float:
        """At most, at these prices."""
        return prices.cost(self.prompt_tokens, self.completion_tokens)


def worst_case(request: Request) -> tuple[int, int]:
    """Prompt and completion tokens that a request can't exceed: no tokenizer makes more tokens than UTF-8 bytes."""
    text = sum(len(message.content.encode()) for message in request.messages) + len((request.schema or "").encode())
    return text + _PER_MESSAGE * len(request.messages) + _PER_REQUEST, request.most_tokens


def estimate(sample: list[Request], requests: int) -> Estimate:
    """Tokens of `requests` requests like those in the sample. Raises UsageError for an empty sample."""
    if not sample:
        raise UsageError("no sample to estimate from", do="render at least one request")
    characters = sum(len(message.content) for request in sample for message in request.messages)
    messages = sum(len(request.messages) for request in sample)
    prompt = (characters / _CHARACTERS_PER_TOKEN + 5 * messages) / len(sample)
    completion = sum(request.most_tokens for request in sample) / len(sample)
    return Estimate(requests, len(sample), round(prompt * requests), round(completion * requests))


class Budget:
    """Counts what was spent and what is reserved for requests in flight. Several models may share it, each in its thread."""

    def __init__(self, max_tokens: int | None = None, max_cost: float | None = None) -> None:
        """Limits on tokens sent and received together, and on their cost; None is no limit."""
        self.max_tokens = max_tokens
        self.max_cost = max_cost
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cost = 0.0
        """What was spent so far."""
        self._reserved = (0, 0.0)
        """Tokens and cost."""
        self._told = (0, 0.0)
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        """Sent to another process (Ray) before anything is spent."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self.max_tokens is not None or self.max_cost is not None

    def fresh(self) -> tuple[int, float]:
        """Tokens and cost since this was last asked."""
        with self._lock:
            told, self._told = self._told, (self.prompt_tokens + self.completion_tokens, self.cost)
            return self._told[0] - told[0], self._told[1] - told[1]

    def reserve(self, worst: tuple[int, int], prices: Prices | None = None) -> bool:
        """Take room for a request that is about to be sent; False if it might pass the limit."""
        with self._lock:
            tokens = self._reserved[0] + sum(worst)
            cost = self._reserved[1] + self._cost(worst, prices)
            if self.max_tokens is not None and self.prompt_tokens + self.completion_tokens + tokens > self.max_tokens:
                return False
            if self.max_cost is not None and self.cost + cost > self.max_cost:
                return False
            self._reserved = (tokens, cost)
            return True

    def settle(
        self, worst: tuple[int, int], prompt_tokens: int, completion_tokens: int, prices: Prices | None = None
    ) -> None:
        """Give the room back and count what was used."""
        with self._lock:
            self._reserved = (self._reserved[0] - sum(worst), self._reserved[1] - self._cost(worst, prices))
            self.prompt_tokens += prompt_tokens
            self.completion_tokens += completion_tokens
            self.cost += self._cost((prompt_tokens, completion_tokens), prices)

    @staticmethod
    def _cost(tokens: tuple[int, int], prices: Prices | None) -> float:
        return prices.cost(*tokens) if prices else 0.0

    def reached(self) -> LimitReached:
        """The error that says so."""
        limits = (f"{self.max_tokens} tokens", self.max_tokens), (f"a cost of {self.max_cost}", self.max_cost)
        limit = " or ".join(words for words, most in limits if most is not None)
        used = f"{self.prompt_tokens} prompt and {self.completion_tokens} completion tokens, cost {self.cost:.4f}"
        return LimitReached(
            f"the limit of {limit} would be passed by the next request ({used} so far)",
            do="raise the limit and run the same command again: what was answered is kept and not paid twice",
        )
