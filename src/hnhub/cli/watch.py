"""Showing progress: one line that rewrites itself on a terminal, nothing elsewhere."""

from hnhub.progress import showing as watching

__all__ = ["watching"]
