"""Showing progress: one line that rewrites itself on a terminal, nothing elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hnhub.progress import listening

__all__ = ["watching"]


@contextmanager
def watching() -> Iterator[None]:
    """Show what is reported inside the block on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    last = [0.0]

    def show(what: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - last[0] < 0.1 and done != total:
            return
        last[0] = now
        share = f"{done:,} of {total:,} ({done / total:4.0%})" if total else f"{done:,}"
        sys.stderr.write(f"\r\x1b[K  {what}: {share}")
        sys.stderr.flush()

    with listening(show):
        try:
            yield
        finally:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
