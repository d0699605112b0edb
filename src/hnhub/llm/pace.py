"""How many requests an endpoint gets at once: grow while throughput grows, back off when it refuses or collapses.

By Little's law a full pipe answers `limit / latency` requests a second, so one round (as many answers as the limit, of
requests sent in this round) gives the throughput at that limit without waiting for a steady state.
"""

from statistics import median

__all__ = ["Pace"]

_GROWTH = 1.2
"""A doubled limit has to bring this much throughput, or the pipe is full."""
_PROBE = 1.5
_PROBE_GROWTH = 1.1
"""Later, now and then, a limit this much higher has to bring so much."""
_CHANCES = 2
"""Rounds in a row without growth that end the doubling: one may be a hiccup."""
_PROBE_EVERY = 4
_SAMPLES = 8


class Pace:
    """The limit of one endpoint. Times are seconds of any steady clock."""

    def __init__(self, start: int, most: int) -> None:
        self.most = most
        self._limit = float(min(start, most))
        self._doubling = True
        self._best = 0.0
        self._before = self._limit
        """The limit to go back to if the present one brings nothing."""
        self._rounds = 0
        self._cut = 0.0
        self._chances = _CHANCES
        self._since = 0.0
        self._latencies: list[float] = []
        self._full = True

    @property
    def limit(self) -> int:
        """Requests to keep in flight, at least 1."""
        return max(1, int(self._limit))

    def answered(self, now: float, sent: float, *, full: bool) -> None:
        """An answer came to a request sent at `sent`; `full`: others wait for it, so that the limit is what bounds the flight."""
        if sent < self._since:
            return
        self._latencies.append(now - sent)
        self._full = self._full and full
        if len(self._latencies) >= max(self.limit, _SAMPLES):
            if self._full:
                self._judge(self.limit / max(median(self._latencies), 1e-6))
            self._begin(now)

    def refused(self, now: float, sent: float) -> None:
        """The endpoint said 429 or 503: halve, but only once for all requests that were in flight together."""
        if sent < self._cut:
            return
        self._cut = now
        self._doubling = False
        self._limit = max(1.0, self._limit / 2)
        self._before = self._limit
        self._best = 0.0
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._since = now
        self._latencies.clear()
        self._full = True

    def _judge(self, rate: float) -> None:
        self._rounds += 1
        if self._doubling:
            if rate > self._best * _GROWTH:
                self._best, self._before, self._chances = rate, self._limit, _CHANCES
                self._limit = min(self._limit * 2, float(self.most))
                self._doubling = self._limit > self._before
            elif self._chances > 1:
                self._chances -= 1
            else:
                self._limit, self._doubling = self._before, False
        elif self._limit > self._before:  # the round after a probe
            if rate > self._best * _PROBE_GROWTH:
                self._best, self._before = rate, self._limit
            else:
                self._limit = self._before
        elif rate < self._best / 3:  # latency collapsed
            self._limit = self._before = max(1.0, self._limit * 0.7)
            self._best = rate
        else:
            self._best = rate if self._best == 0 else 0.8 * self._best + 0.2 * rate
            if self._rounds % _PROBE_EVERY == 0:
                self._limit = min(max(self._limit * _PROBE, self._limit + 1), float(self.most))
