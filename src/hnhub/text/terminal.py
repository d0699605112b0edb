"""What may be written to a terminal, and what is one."""

import os
import re
from typing import TextIO

__all__ = ["is_terminal", "printable"]

_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls that a terminal obeys, marks that turn the direction of what follows, halves of characters that can't be encoded."""


def is_terminal(stream: TextIO | None) -> bool:
    """Whether it shows colours and lets lines be rewritten.

    Not a dumb terminal, nor a notebook's cell, where `!command` sees what only looks like a terminal.
    """
    if stream is None or stream.closed or not stream.isatty():
        return False
    return os.environ.get("TERM", "") not in ("", "dumb", "unknown") and "JPY_PARENT_PID" not in os.environ


def printable(text: str) -> str:
    r"""The text with what a terminal would obey made visible: `\x1b[2J` instead of a cleared screen. Line ends and tabs stay."""
    return _UNSEEN.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)
