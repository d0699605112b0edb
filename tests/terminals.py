"""A command in a real pseudo-terminal, and what its screen shows, read by a terminal in memory."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyte

__all__ = ["Terminal", "run_in_terminal"]


@dataclass
class Terminal:
    """What was written to it, and what stands on it."""

    columns: int
    rows: int
    raw: bytes = b""
    frames: list[list[str]] = field(default_factory=list)
    """The screen after each writing, where it changed."""

    def __post_init__(self) -> None:
        self.screen = pyte.HistoryScreen(self.columns, self.rows, history=2000)
        self._stream = pyte.ByteStream(self.screen)

    def feed(self, data: bytes) -> None:
        self.raw += data
        self._stream.feed(data)
        if not self.frames or self.lines != self.frames[-1]:
            self.frames.append(self.lines)

    @property
    def lines(self) -> list[str]:
        """All lines, those that have left the screen too, without empty ones at the end."""
        gone = ["".join(line[x].data for x in range(self.columns)) for line in self.screen.history.top]
        return "\n".join(line.rstrip() for line in [*gone, *self.screen.display]).rstrip().split("\n")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def is_clean(self) -> bool:
        """The cursor is seen, at the start of an empty line, and the last style is off."""
        cursor = self.screen.cursor
        line = self.screen.display[cursor.y].strip()
        return not cursor.hidden and cursor.x == 0 and not line and b"\x1b[?25l" not in self.raw

    @property
    def colours(self) -> set[str]:
        """The styles that set a colour."""
        found = {code for codes in re.findall(rb"\x1b\[([0-9;]*)m", self.raw) for code in codes.decode().split(";")}
        return {code for code in found if code.isdigit() and (30 <= int(code) <= 48 or 90 <= int(code) <= 107)}


def run_in_terminal(
    command: Sequence[object],
    *,
    columns: int = 80,
    rows: int = 40,
    environment: Mapping[str, str] | None = None,
    react: Callable[[Terminal, Callable[[bytes], int], subprocess.Popen[bytes]], bool] | None = None,
) -> tuple[int, Terminal]:
    """Run it with input, output and errors on one terminal; return its exit status and the terminal.

    `react` is called after each writing with the terminal, what types on it, and the process, until it returns True.
    """
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    told = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")  # what a user may set, and a runner of tests does
    plain = {name: value for name, value in os.environ.items() if name not in told}
    process = subprocess.Popen(
        # A session's first process that opens a terminal owns it, so that ^C is typed at it.
        ["sh", "-c", 'exec "$@" <"$0"', os.ttyname(writer), *map(str, command)],
        stdin=writer,
        stdout=writer,
        stderr=writer,
        start_new_session=True,
        env={**plain, "TERM": "xterm-256color", **(environment or {})},
    )
    os.close(writer)
    terminal = Terminal(columns, rows)
    deadline = time.monotonic() + 120
    try:
        while time.monotonic() < deadline:
            if not select.select([reader], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(reader, 1 << 16)
            except OSError:  # Linux says so when the other end is closed
                break
            if not data:
                break
            terminal.feed(data)
            if react and react(terminal, lambda keys: os.write(reader, keys), process):
                react = None
        return process.wait(timeout=20), terminal
    finally:
        process.kill()
        os.close(reader)
