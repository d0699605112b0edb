"""Progress in a notebook: one output that rewrites itself."""

import html
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hnhub.progress.board import Board, Working
from hnhub.progress.events import Event, Listener
from hnhub.progress.pace import clock, figures

__all__ = ["in_notebook", "line"]

_EVERY = 0.3
"""Seconds between two changes."""


@contextmanager
def in_notebook() -> Iterator[Listener]:
    """Yield what shows events: a bar and a line, made with the first event and emptied at the end."""
    from IPython.display import HTML, display

    board = Board()
    shown: list[Any] = []
    last = 0.0

    def write(text: str) -> None:
        if shown:
            shown[0].update(HTML(text))
        elif text:
            shown.append(display(HTML(text), display_id=True))

    def show(event: Event) -> None:
        nonlocal last
        board.hear(event)
        now = time.monotonic()
        if event.state != "working" or now - last >= _EVERY or event.done == event.total:
            last = now
            write(line(board.working) if board.working else "")

    try:
        yield show
    finally:
        write("")


def line(working: Working) -> str:
    """What is at work, as HTML: a bar, and in words how far it is."""
    event = working.event
    if event is None:
        return f"<progress></progress> {html.escape(working.stage or '')}"
    value = f' value="{event.done}" max="{event.total}"' if event.total else ""
    told = figures(event, working.pace)
    if working.remaining is not None:
        told.append(f"{clock(working.remaining)} left")
    head = f"{event.stage}, {event.what}" if event.stage else event.what
    words = html.escape(f"{head}: {', '.join(told)}")
    return f"<progress{value}></progress> {words}"
