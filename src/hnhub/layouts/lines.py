"""Lines of text files, the same on every machine."""

import json
import re
from collections.abc import Mapping

__all__ = ["json_line", "tsv_line"]

_BREAKS = re.compile(r"[\t\r\n]+")


def json_line(row: Mapping[str, object] | list[object]) -> str:
    """A JSON value on one line, members in the order given, no escapes but JSON's own."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def tsv_line(*cells: str) -> str:
    """Cells with tabs between; tabs and line breaks in a cell become one space."""
    return "\t".join(_BREAKS.sub(" ", cell) for cell in cells)
