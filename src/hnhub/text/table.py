"""Small tables for people: as text, and as HTML for a notebook."""

import html
from collections.abc import Iterable, Sequence

__all__ = ["html_table", "is_figure", "text_table"]


def text_table(rows: Iterable[Sequence[str]]) -> str:
    """Columns side by side, as wide as their widest cell: figures to the right, everything else to the left."""
    cells = [list(row) for row in rows]
    if not cells:
        return ""
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(map(is_figure, column[1:])) and len(column) > 1 for column in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if end else cell.ljust(width) for cell, width, end in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    )


def html_table(rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """The same as HTML; the first row is the head. Every cell is escaped."""
    head, *body = rows
    lines = [f"<caption>{html.escape(caption)}</caption>"] if caption else []
    lines.append("<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>")
    lines += ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in body]
    return "<table>" + "".join(lines) + "</table>"


def is_figure(cell: str) -> bool:
    """Whether it is a number, or nothing."""
    return not cell or (cell[0] in "+-.0123456789" and cell[-1] in "0123456789%")
