"""What a display knows of a build: which stages are finished, which one is at work and how far it is, which follow."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hnhub.progress.events import Event
from hnhub.progress.pace import Pace

__all__ = ["Board", "Working"]


@dataclass(frozen=True)
class Working:
    """What is at work now."""

    stage: str | None
    event: Event | None
    """The last that was reported of it, if anything was."""
    pace: Pace
    seconds: float
    """How long the stage has been at work."""
    remaining: float | None
    """Seconds until what is reported is done."""


@dataclass
class Board:
    """Fed with events by those who work, read by who draws, perhaps in another thread."""

    finished: list[Event] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """The stages to come, the one at work first."""
    names: tuple[str, ...] = ()
    """Of all stages of the build."""
    _last: Event | None = None
    _pace: Pace = field(default_factory=Pace)
    _since: float = field(default_factory=time.monotonic)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def hear(self, event: Event) -> None:
        """Take an event."""
        now = time.monotonic()
        with self._lock:
            if event.stages:
                self.finished, self.waiting, self.names = [], list(event.stages), event.stages
                self._last, self._since = None, now
            elif event.state != "working":
                self.finished.append(event)
                if event.stage in self.waiting:
                    self.waiting.remove(event.stage)
                self._last, self._since = None, now
            else:
                self._work(event, now)

    def _work(self, event: Event, now: float) -> None:
        last = self._last
        if last is None or (last.stage, last.what) != (event.stage, event.what) or event.done < last.done:
            self._pace = Pace()
        self._pace.add(now, event.done, event.tokens)
        self._last = event

    @contextmanager
    def reading(self) -> Iterator["Board"]:
        """Hold it still."""
        with self._lock:
            yield self

    @property
    def working(self) -> Working | None:
        """What is at work; None before anything is, and after all."""
        event, now = self._last, time.monotonic()
        if event is None and not self.waiting:
            return None
        stage = event.stage if event else self.waiting[0]
        remaining = self._pace.remaining(event.total, now) if event else None
        return Working(stage, event, self._pace, now - self._since, remaining)
