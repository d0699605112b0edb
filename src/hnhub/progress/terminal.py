"""Progress on a terminal, by rich: a line a stage, of which the one at work moves.

The cursor is never hidden and rests on an empty line of its own below, so that also a process that is killed leaves a clean
terminal: no other could bring the cursor back.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from hnhub.progress.board import Board, Working
from hnhub.progress.events import Event, Listener
from hnhub.progress.pace import clock, figures
from hnhub.text.terminal import is_terminal, printable

__all__ = ["filled", "on_terminal", "open_console"]

_REFRESH = 5
"""Times a second."""
_STAGE, _TIME = 24, 12
"""Columns: at most for a stage's name, and for its time."""
_OTHER = 7
"""Lines that are no waiting or finished stage, at most."""


class _Console(Console):
    def show_cursor(self, show: bool = True) -> bool:
        """Leave it as it is, see above."""
        del show
        return False


def open_console(stream: TextIO) -> Console:
    """A console on a terminal to which text is only text: no markup, no emoji codes, no guesses at what to colour."""
    return _Console(
        file=stream,
        force_terminal=True,
        force_interactive=True,
        force_jupyter=False,
        markup=False,
        emoji=False,
        highlight=False,
    )


@contextmanager
def on_terminal(stream: TextIO, *, lasting: bool) -> Iterator[Listener]:
    """Yield what shows events. With `lasting` the lines of finished stages stay when all is over, else nothing does."""
    board = Board()
    console = open_console(stream)
    spinner = Spinner("line" if console.options.ascii_only else "dots", style="cyan")

    def draw() -> Group:
        with board.reading():
            return _picture(board, spinner, console, finished=not lasting)

    live = Live(
        console=console,
        get_renderable=draw,
        refresh_per_second=_REFRESH,
        transient=True,
        redirect_stdout=is_terminal(sys.stdout),
        vertical_overflow="crop",
    )

    def show(event: Event) -> None:
        board.hear(event)
        if lasting and event.state != "working":
            # One writing, so that the lines below never show what was; and no redrawing before it is out, which would move what it wipes.
            with live._lock, console:  # noqa: SLF001 - rich has no other name for it
                console.print(_finished(event, console, _width(board, console)))
                live.refresh()

    with ExitStack() as stack:

        def first(event: Event) -> None:
            if not live.is_started:
                stack.enter_context(live)
                stack.enter_context(_logging_through(stream))
            show(event)

        yield first


def _finished(event: Event, console: Console, width: int) -> Table:
    """What it holds, what was dropped, how long it took. `width`: of the stages' names."""
    dropped = sum(event.dropped.values())
    text = f"{event.what}, {dropped:,} dropped" if dropped else event.what
    made = event.state == "made"
    mark = Text("+" if console.options.ascii_only else "✓", "green" if made else "dim")
    took = f"{event.seconds:,.1f} s" if made else "there"
    return _row(width, mark, Text(printable(event.stage or "")), Text(printable(text)), Text(took, "dim"))


def _width(board: Board, console: Console) -> int:
    """Of the column of names: of stages, or of what is done outside of any."""
    working = board.working
    names = board.names or (working.event.what if working and working.event else "",)
    return min(_STAGE, console.width // 3, max(map(len, names)))


def _picture(board: Board, spinner: Spinner, console: Console, *, finished: bool) -> Group:
    working = board.working
    if working is None:
        return Group("")
    rows: list[Any] = []
    room, width = max(0, console.height - _OTHER), _width(board, console)
    following = board.waiting[1:] if working.stage in board.waiting else board.waiting
    if finished and board.finished:
        rows += [_finished(event, console, width) for event in board.finished[-max(1, room - len(following)) :]]
    rows += _working(working, spinner, console, width)
    rows += [_row(width, Text(" "), Text(name, "dim"), Text(""), Text("")) for name in following[:room]]
    if len(following) > room:
        rows.append(Text(f"  {len(following) - room} more to come", "dim"))
    return Group(*rows, "")


def _working(working: Working, spinner: Spinner, console: Console, width: int) -> Iterator[Any]:
    event = working.event
    if event is None:
        yield _row(width, spinner, Text(printable(working.stage or "")), Text(""), Text(clock(working.seconds), "dim"))
        return
    left = clock(working.seconds) if working.remaining is None else f"{clock(working.remaining)} left"
    name = Text(printable(event.stage or event.what), "bold")
    what = Text(printable(event.what if event.stage else ""))
    yield _row(width, spinner, name, _with_bar(what, event, console, width), Text(left))
    for line in filled(figures(event, working.pace), console.width - width - 3):
        yield _row(width, Text(" "), Text(""), Text(line, "dim"), None)


def _with_bar(what: Text, event: Event, console: Console, width: int) -> Table | Text:
    """How much of it is done as a bar, where there is room beside the words."""
    if not event.total:
        return what
    share = Text(f"{min(1.0, event.done / event.total):4.0%}")
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(overflow="fold")
    if console.width - width - _TIME - what.cell_len > 20:
        table.add_column(ratio=1)
        table.add_column(no_wrap=True, justify="right")
        table.add_row(what, ProgressBar(total=event.total, completed=event.done), share)
    else:
        table.add_column(no_wrap=True, justify="right")
        table.add_row(what, share)
    return table


def _row(width: int, mark: Any, stage: Text, middle: Any, time: Text | None) -> Table:
    """Mark, stage, what is told of it (over several lines where it must), time."""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=1)
    table.add_column(width=width, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    if time is None:
        table.add_row(mark, stage, middle)
    else:
        table.add_column(width=_TIME, justify="right", no_wrap=True)
        table.add_row(mark, stage, middle, time)
    return table


def filled(parts: Sequence[str], width: int) -> Iterator[str]:
    """Parts joined by commas in lines of at most `width` columns; no part is torn that fits into one."""
    line = ""
    for part in parts:
        joined = f"{line}, {part}" if line else part
        if line and cell_len(joined) + 1 > width:
            yield f"{line},"
            line = part
        else:
            line = joined
    if line:
        yield line


@contextmanager
def _logging_through(stream: TextIO) -> Iterator[None]:
    """Let messages that go to the terminal itself pass through what stands there now, which writes them above the lines."""
    handlers = [
        handler
        for name in (None, "hnhub")
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is stream
    ]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(stream)
