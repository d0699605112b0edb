"""Where progress shows by itself: on a terminal, in a notebook, or nowhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hnhub.progress.events import Listener, heard, listening
from hnhub.text.terminal import is_terminal

__all__ = ["display", "no_bars", "off", "on", "showing"]


class _Switch:
    on = True


def off() -> None:
    """Show nothing by itself from now on. Callbacks go on hearing."""
    _Switch.on = False


def on() -> None:
    """Show progress by itself again."""
    _Switch.on = True


@contextmanager
def showing() -> Iterator[None]:
    """Show what is reported inside the block, if nobody listens, it is not off, and there is somewhere to show it."""
    if heard():
        yield
        return
    with display() as show:
        if show is None:
            yield
        else:
            with listening(show):
                yield


@contextmanager
def display(*, lasting: bool = False) -> Iterator[Listener | None]:
    """What `showing` shows by itself, to be handed events, or None where nothing is shown.

    Nothing of it stays, but with `lasting` on a terminal the lines of the finished stages.
    """
    if not _Switch.on:
        yield None
    elif _in_notebook():
        from hnhub.progress.notebook import in_notebook

        with in_notebook() as show:
            yield show
    elif is_terminal(sys.stderr):
        from hnhub.progress.terminal import on_terminal

        with on_terminal(sys.stderr, lasting=lasting) as show:
            yield show
    else:
        yield None


@contextmanager
def no_bars() -> Iterator[None]:
    """Keep the bars of `datasets` off the terminal: ours are shown, or none."""
    import datasets

    shown = not datasets.utils.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and hasattr(shell, "kernel")
