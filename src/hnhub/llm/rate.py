"""Caps on requests and tokens a minute, which hold over every span of a minute: what is about to be sent waits until it fits."""

from collections import deque
from dataclasses import dataclass

__all__ = ["Rate", "Sent"]


@dataclass(eq=False)
class Sent:
    """What a request counts: its worst case until it is answered, then what it used."""

    at: float
    tokens: int


class Rate:
    """At most so many requests and tokens in any `window` seconds; None is no cap. Times are seconds of any steady clock."""

    def __init__(self, requests: int | None = None, tokens: int | None = None, *, window: float = 60.0) -> None:
        self.requests = requests
        self.tokens = tokens
        self.window = window
        self._sent: deque[Sent] = deque()

    @property
    def capped(self) -> bool:
        """Whether there is any cap."""
        return self.requests is not None or self.tokens is not None

    def wait(self, now: float, tokens: int) -> float:
        """Seconds until a request of at most so many tokens may be sent; 0 is now. One that is over the cap by itself goes alone."""
        while self._sent and self._sent[0].at <= now - self.window:
            self._sent.popleft()
        count, total, last = len(self._sent), sum(one.tokens for one in self._sent), None
        for one in self._sent:
            if self._fits(count, total + tokens):
                break
            count, total, last = count - 1, total - one.tokens, one.at
        return 0.0 if last is None else last + self.window - now

    def _fits(self, others: int, tokens: int) -> bool:
        return not others or (
            (self.requests is None or others < self.requests) and (self.tokens is None or tokens <= self.tokens)
        )

    def take(self, now: float, tokens: int) -> Sent:
        """Count a request that is sent now; set its `tokens` when they are known."""
        self._sent.append(one := Sent(now, tokens))
        return one
