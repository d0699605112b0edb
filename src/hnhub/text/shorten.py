"""Cutting a text to a length, in any script."""

import unicodedata

__all__ = ["KEPT", "shorten"]

KEPT = 0.9
"""At least this share of the limit is left of a text that is longer, whatever its script."""

_JOINER = "\u200d"


def shorten(text: str, limit: int) -> str:
    """The beginning of a text, at most `limit` (>= 1) characters; nothing of a blank one that is longer.

    It ends before white space if there is any in the last tenth, else between two characters as a reader sees them: scripts
    without spaces have no words to end at, and a long number or address may be as long as the limit.
    """
    if len(text) <= limit:
        return text
    if text.isspace():
        return ""
    least = -int(-KEPT * limit // 1)
    for end in range(limit, least - 1, -1):
        if text[end].isspace() and not text[end - 1].isspace():
            return text[:end]
    for end in range(limit, least - 1, -1):
        if not _continues(text, end):
            return text[:end]
    return text[:limit]


def _continues(text: str, at: int) -> bool:
    """True if the character at `at` is shown as one with the one before: a mark, or what a joiner joins."""
    return unicodedata.category(text[at]).startswith("M") or _JOINER in (text[at], text[at - 1])
