"""How far long work has come: makers report, whoever watches listens. Nobody need listen.

    with hnhub.progress.listening(print):     # your own callback hears every event
        hnhub.evaluate("bm25", "scifact")
    hnhub.progress.off()                      # and no bar by itself

Where nobody listens, hnhub's functions show one line on a terminal (standard error) or in a notebook, and nothing elsewhere.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Event",
    "Listener",
    "display",
    "in_stage",
    "listening",
    "no_bars",
    "off",
    "on",
    "report",
    "showing",
    "tell",
]


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
    """What a language model has read and written so far in this piece of work."""
    state: Literal["working", "made", "there"] = "working"
    """`made` or `there` (from an earlier build): the stage is finished; `what` then says what it holds, `done` its rows."""
    seconds: float = 0.0
    """Of a stage that was made: how long it took."""

    def __str__(self) -> str:
        """`encoding documents: 512 of 5,183 (10%)`, and what was dropped; of a stage that is finished what it holds."""
        if self.state != "working":
            return f"{self.stage}: {self.what}"
        share = f"{self.done:,} of {self.total:,} ({self.done / self.total:.0%})" if self.total else f"{self.done:,}"
        more = [f"{self.tokens:,} tokens"] if self.tokens else []
        more += [f"{sum(self.dropped.values()):,} dropped"] if self.dropped else []
        return ", ".join([f"{self.what}: {share}", *more])


Listener = Callable[[Event], None]
"""Called in the thread that works, so it should return soon. What it raises ends the work."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_stage: ContextVar[str | None] = ContextVar("stage", default=None)
_EVERY = {"terminal": 0.1, "notebook": 0.3}
"""Seconds between two lines."""


class _Switch:
    on = True


def report(
    what: str, done: int, total: int | None = None, *, dropped: Mapping[str, int] | None = None, tokens: int = 0
) -> None:
    """Say that `done` of `total` is done. Cheap, but meant for batches, not for single records."""
    if listener := _listener.get():
        listener(Event(what, done, total, _stage.get(), dropped or {}, tokens))


def tell(event: Event) -> None:
    """Say something as it is."""
    if listener := _listener.get():
        listener(event)


@contextmanager
def in_stage(name: str) -> Iterator[None]:
    """Let what is reported inside the block belong to this stage."""
    token = _stage.set(name)
    try:
        yield
    finally:
        _stage.reset(token)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let `listener` hear what is reported inside the block (in this thread), instead of the line that shows by itself.

    >>> import hnhub
    >>> seen = []
    >>> with hnhub.progress.listening(lambda event: seen.append(event.what)):
    ...     hnhub.progress.report("baking", 1, 2)
    >>> seen
    ['baking']
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def off() -> None:
    """Show nothing by itself from now on. Callbacks go on hearing."""
    _Switch.on = False


def on() -> None:
    """Show progress by itself again."""
    _Switch.on = True


@contextmanager
def showing() -> Iterator[None]:
    """Show what is reported inside the block, if nobody listens, it is not off, and there is somewhere to show it."""
    place = _place() if _Switch.on and _listener.get() is None else None
    if place is None:
        yield
        return
    with _display(place) as show, listening(show):
        yield


@contextmanager
def display() -> Iterator[Listener]:
    """What `showing` shows by itself, to be handed events: for a listener that does more."""
    place = _place() if _Switch.on else None
    if place is None:
        yield lambda _: None
        return
    with _display(place) as show:
        yield show


@contextmanager
def _display(place: str) -> Iterator[Listener]:
    write = _write_line if place == "terminal" else _notebook()
    last = [0.0]

    def show(event: Event) -> None:
        now = time.monotonic()
        if event.state == "working" and (now - last[0] >= _EVERY[place] or event.done == event.total):
            last[0] = now
            write(event)

    try:
        yield show
    finally:
        write(None)


@contextmanager
def no_bars() -> Iterator[None]:
    """Keep the bars of `datasets` off the terminal: ours are shown, or none."""
    import datasets

    shown = not datasets.utils.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _place() -> str | None:
    if "IPython" in sys.modules:
        shell = sys.modules["IPython"].get_ipython()
        if shell is not None and hasattr(shell, "kernel"):
            return "notebook"
    return "terminal" if sys.stderr is not None and sys.stderr.isatty() else None


def _write_line(event: Event | None) -> None:
    """One line that rewrites itself; None wipes it."""
    sys.stderr.write("\r\x1b[K" if event is None else f"\r\x1b[K  {event}")
    sys.stderr.flush()


def _notebook() -> Callable[[Event | None], None]:
    """An output that rewrites itself, made with the first event and emptied at the end."""
    from IPython.display import HTML, display

    shown: list[Any] = []

    def write(event: Event | None) -> None:
        value = f' value="{event.done}" max="{event.total}"' if event and event.total else ""
        html = HTML(f"<progress{value}></progress> {event}" if event else "")
        if shown:
            shown[0].update(html)
        elif event:
            shown.append(display(html, display_id=True))

    return write
