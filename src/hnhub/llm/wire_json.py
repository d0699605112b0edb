"""JSON and text from outside: whatever a server or a model sends becomes plain data that can be stored, or a ValueError."""

import json
import re
from typing import Any

__all__ = ["clean", "cleaned", "decode", "token_count"]

_SURROGATE = re.compile("[\ud800-\udfff\0]")
_SUSPECT = re.compile(r"\\u|[\ud800-\udfff]")
_MOST = 2**31


def clean(text: str) -> str:
    """The text with U+FFFD for what no file and no database takes: lone surrogates and NUL. Pairs become their letter."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def decode(data: str | bytes) -> Any:
    """JSON as plain data, every string clean. Raises ValueError, also for nesting and numbers beyond all use."""
    try:
        text = data if isinstance(data, str) else data.decode(json.detect_encoding(data), "surrogatepass")
        value = json.loads(text)
        # What has to be cleaned stands there as it is, or escaped.
        return cleaned(value) if _SUSPECT.search(text) else value
    except RecursionError:
        raise ValueError("nested too deep") from None


def cleaned(value: Any) -> Any:
    """Plain data with every string clean."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean(name): cleaned(item) for name, item in value.items()}
    return value


def token_count(value: Any) -> int | None:
    """A server's count of tokens; None for what is no such count."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST else None
