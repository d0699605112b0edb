"""Where hnhub keeps what several builds share: the journal, indexes, caches."""

import os
import sys
from pathlib import Path

__all__ = ["home"]


def home() -> Path:
    """`HNHUB_HOME`, or `hnhub` in the user's cache folder. The folder need not exist."""
    if given := os.environ.get("HNHUB_HOME"):
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "hnhub"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "hnhub"
