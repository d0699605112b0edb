"""Queries over the demo corpus, written by hand."""

__all__ = ["JUDGEMENTS"]

JUDGEMENTS: tuple[tuple[str, str, str, str], ...] = (
    ("test", "why did my assert disappear when running with optimisation", "assert", "emits no code for an assert"),
    ("train", "how do I exit a loop early", "break", "nearest enclosing"),
)
