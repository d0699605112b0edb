"""What is told of work that goes on, and who hears it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Event", "Listener", "Used", "count", "heard", "in_stage", "listening", "report", "tell"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something has come further."""

    what: str
    """What is being done, e.g. `encoding documents`."""
    done: int
    total: int | None = None
    """How much there is; None if that is unknown."""
    stage: str | None = None
    """The stage of a build that it belongs to, e.g. `candidates/dense`."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """By reason, what was dropped so far in this piece of work."""
    tokens: int = 0
    """What models have read and written so far in this stage; answers out of the journal are not read again."""
    state: Literal["working", "made", "there"] = "working"
    """`made` or `there` (from an earlier build): the stage is finished; `what` then says what it holds, `done` its rows."""
    seconds: float = 0.0
    """Of a stage that was made: how long it took."""
    unit: str = ""
    """What `done` and `total` count, e.g. `texts`."""
    cost: float = 0.0
    """Of the tokens, at the prices that the build was given."""
    failures: int = 0
    """Answers of a language model so far in this stage that did not fit what was asked for."""
    stages: tuple[str, ...] = ()
    """Told once, before a build's first stage: all of them, in order."""

    def __str__(self) -> str:
        """`encoding documents: 512 of 5,183 (10%)`, and what was used and dropped; of a finished stage what it holds."""
        if self.state != "working":
            return f"{self.stage}: {self.what}"
        share = f"{self.done:,} of {self.total:,} ({self.done / self.total:.0%})" if self.total else f"{self.done:,}"
        more = [f"{self.tokens:,} tokens"] if self.tokens else []
        more += [f"cost {self.cost:.4f}"] if self.cost else []
        more += [f"{self.failures:,} not parsed"] if self.failures else []
        more += [f"{sum(self.dropped.values()):,} dropped"] if self.dropped else []
        return ", ".join([f"{self.what}: {share}", *more])


Listener = Callable[[Event], None]
"""Called in the thread that works, so it should return soon. What it raises ends the work."""


@dataclass(slots=True)
class Used:
    """What models have used in a stage so far, as in `Event`."""

    tokens: int = 0
    cost: float = 0.0
    failures: int = 0


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_stage: ContextVar[str | None] = ContextVar("stage", default=None)
_used: ContextVar[Used | None] = ContextVar("used", default=None)


def report(
    what: str,
    done: int,
    total: int | None = None,
    *,
    unit: str = "",
    dropped: Mapping[str, int] | None = None,
    tokens: int = 0,
) -> None:
    """Say that `done` of `total` is done. Cheap, but meant for batches, not for single records.

    What models have used (`count`) is told with it; `tokens` are those that no model has counted.
    """
    if listener := _listener.get():
        used = _used.get() or Used()
        listener(
            Event(
                what,
                done,
                total,
                _stage.get(),
                dict(dropped or {}),
                tokens + used.tokens,
                unit=unit,
                cost=used.cost,
                failures=used.failures,
            )
        )


def count(*, tokens: int = 0, cost: float = 0.0, failures: int = 0) -> None:
    """Add to what models have used in this stage; the next report tells it."""
    if used := _used.get():
        used.tokens += tokens
        used.cost += cost
        used.failures += failures


def tell(event: Event) -> None:
    """Say something as it is."""
    if listener := _listener.get():
        listener(event)


def heard() -> bool:
    """Whether anybody listens."""
    return _listener.get() is not None


@contextmanager
def in_stage(name: str) -> Iterator[Used]:
    """Let what is reported and counted inside the block belong to this stage; yields what it has used."""
    used = Used()
    tokens = _stage.set(name), _used.set(used)
    try:
        yield used
    finally:
        _stage.reset(tokens[0])
        _used.reset(tokens[1])


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let `listener` hear what is reported inside the block (in this thread), instead of what shows by itself.

    >>> import hnhub
    >>> seen = []
    >>> with hnhub.progress.listening(lambda event: seen.append(event.what)):
    ...     hnhub.progress.report("baking", 1, 2)
    >>> seen
    ['baking']
    """
    tokens = _listener.set(listener), _used.set(Used())
    try:
        yield
    finally:
        _listener.reset(tokens[0])
        _used.reset(tokens[1])
