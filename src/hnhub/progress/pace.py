"""How fast work goes and how long it will take, and that in words."""

from collections import deque
from dataclasses import dataclass, field

from hnhub.progress.events import Event

__all__ = ["Pace", "clock", "figures", "per_second"]

_WINDOW = 30.0
"""Seconds that a rate is taken over: long enough for slow batches to even out, short enough to see a change."""
_APART = 0.1
"""Seconds between two measurements that are kept."""


@dataclass
class Pace:
    """The last measurements of one piece of work: (seconds, done, tokens), the oldest first."""

    marks: deque[tuple[float, int, int]] = field(default_factory=deque)

    def add(self, now: float, done: int, tokens: int) -> None:
        """Take a measurement, `now` in seconds of any clock."""
        if len(self.marks) > 1 and now - self.marks[-2][0] < _APART:
            self.marks.pop()
        self.marks.append((now, done, tokens))
        while len(self.marks) > 2 and now - self.marks[1][0] > _WINDOW:
            self.marks.popleft()

    @property
    def rate(self) -> float | None:
        """Done a second; None before anything is known."""
        return self._rate(1)

    @property
    def token_rate(self) -> float | None:
        """Tokens a second."""
        return self._rate(2)

    def remaining(self, total: int | None, now: float) -> float | None:
        """Seconds until all is done; None where that can't be told."""
        if total is None or not (rate := self.rate):
            return None
        last, done, _ = self.marks[-1]
        return max(0.0, (total - done) / rate - (now - last))

    def _rate(self, at: int) -> float | None:
        if not self.marks:
            return None
        first, last = self.marks[0], self.marks[-1]
        grown, seconds = last[at] - first[at], last[0] - first[0]
        return grown / seconds if grown > 0 and seconds > 0 else None


def figures(event: Event, pace: Pace) -> list[str]:
    """What is known of a piece of work, most important first: how much, how fast, what it used, what it dropped."""
    unit = f" {event.unit}" if event.unit else ""
    found = [f"{event.done:,} of {event.total:,}{unit}" if event.total else f"{event.done:,}{unit}"]
    if rate := pace.rate:
        found[0] += f" ({per_second(rate)})"
    if event.tokens:
        rate = pace.token_rate
        found.append(f"{event.tokens:,} tokens" + (f" ({per_second(rate)})" if rate else ""))
    if event.cost:
        found.append(f"cost {event.cost:,.4f}")
    if event.failures:
        found.append(f"{event.failures:,} not parsed")
    if dropped := sum(event.dropped.values()):
        found.append(f"{dropped:,} dropped")
    return found


def per_second(rate: float) -> str:
    """`512/s`; what is slower than one in ten seconds by the minute."""
    if rate < 0.1:
        return f"{rate * 60:.1f}/min"
    digits = 0 if rate >= 10 else 1 if rate >= 1 else 2
    return f"{rate:,.{digits}f}/s"


def clock(seconds: float) -> str:
    """`0:12`, `1:02:09`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
