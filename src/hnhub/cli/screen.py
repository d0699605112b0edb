"""Tables on a terminal, by rich: as wide as it is, coloured, and nothing in a text is taken for anything but text.

Elsewhere `screen` gives None, and commands print the plain text that scripts read.
"""

import io
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hnhub.text.table import is_figure
from hnhub.text.terminal import is_terminal, printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_facts", "print_list", "print_table", "print_violation", "screen"]

_GAP = 2


def screen() -> "Console | None":
    """A console on standard output, if that is a terminal."""
    if not is_terminal(sys.stdout):
        return None
    from hnhub.progress.terminal import open_console

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what its encoding lacks is no error
    return open_console(sys.stdout)


def print_table(console: "Console", head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """As many columns as fit beside each other; the others below each row, each with its name, so that nothing is cut.

    Columns in which nothing stands are left out.
    """
    from rich.cells import cell_len
    from rich.text import Text

    from hnhub.progress.terminal import filled

    cells = [[printable(cell) for cell in row] for row in rows]
    used = [at for at in range(len(head)) if any(row[at] for row in cells)]
    widths = {at: max(cell_len(row[at]) for row in [head, *cells]) for at in used}
    beside, room = list[int](), console.width + _GAP
    for at in used:
        room -= widths[at] + _GAP
        if room < 0 and beside:
            break
        beside.append(at)
    right = {at for at in beside if all(is_figure(row[at]) for row in cells)}

    def line(row: Sequence[str], styles: Sequence[str]) -> Text:
        found = Text(overflow="fold")
        for at, style in zip(beside, styles, strict=True):
            space = " " * (widths[at] - cell_len(row[at]))
            found.append(space + row[at] if at in right else row[at] + space, style)
            found.append(" " * _GAP)
        found.rstrip()
        return found

    console.print(line(head, ["dim"] * len(beside)))
    for row in cells:
        console.print(line(row, ["bold", *[""] * (len(beside) - 1)]))
        below = [f"{head[at]} {row[at]}" for at in used if at not in beside and row[at]]
        for one in filled(below, console.width - _GAP):
            console.print(Text(" " * _GAP + one, "dim", overflow="fold"))


def print_facts(console: "Console", facts: Iterable[tuple[str, str]]) -> None:
    """Name and value beside each other; long values over several lines."""
    from rich.table import Table
    from rich.text import Text

    pairs = [(printable(name), printable(value)) for name, value in facts]
    width = min(max(len(name) for name, _ in pairs), max(12, console.width // 3))
    table = Table.grid(padding=(0, _GAP))
    table.add_column(width=width, overflow="fold")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(Text(name, "bold"), Text(value))
    console.print(table)


def print_violation(console: "Console", rule: str, place: str, message: str) -> None:
    """A rule that is broken, where, and below it how."""
    from rich.padding import Padding
    from rich.text import Text

    console.print(Text.assemble((printable(rule), "bold red"), " ", (printable(place), "bold"), overflow="fold"))
    console.print(Padding(Text(printable(message), overflow="fold"), (0, 0, 0, _GAP)))


def print_list(console: "Console", notes: Iterable[str]) -> None:
    """A line a note, indented where it goes on."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for note in notes:
        table.add_row("-", Text(printable(note), overflow="fold"))
    console.print(table)
