"""Where the parts of a stage are made: in this process, or by workers elsewhere (`ray_cluster`).

A stage cuts its work into numbered parts by its input alone and joins them in order, so what comes out does not depend on
the engine, the number of workers or the order in which they finish.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

__all__ = ["LOCAL", "Engine", "Local", "once"]

Result = TypeVar("Result")


class Engine(Protocol):
    """Calls a function for every part of a stage."""

    @property
    def threads(self) -> int | None:
        """Threads of what is done here, not by a call; None is every core."""

    @property
    def worker_threads(self) -> int | None:
        """Threads that one call may use."""

    def map(self, make: Callable[[int], Result], count: int, *, gpu: bool = False) -> Iterator[Result]:
        """`make(0)` to `make(count - 1)`, in this order. A call may be repeated elsewhere if its worker is lost.

        `gpu`: a GPU helps. Errors of `make` pass through.
        """


@dataclass(frozen=True)
class Local:
    """In this process; its calls use threads, and GPUs as they find them."""

    threads: int | None = None

    @property
    def worker_threads(self) -> int | None:
        """The same: calls are made here."""
        return self.threads

    def map(self, make: Callable[[int], Result], count: int, *, gpu: bool = False) -> Iterator[Result]:
        """One after the other."""
        del gpu
        return map(make, range(count))


LOCAL = Local()


def once(engine: Engine, make: Callable[[Path], Result], out: Path) -> Result:
    """A stage that is one part: `make(out)` by the engine, in an empty folder also where a worker was lost over it."""
    (result,) = engine.map(partial(_afresh, make, out), 1)
    return result


def _afresh(make: Callable[[Path], Result], out: Path, _: int) -> Result:
    shutil.rmtree(out)
    out.mkdir()
    return make(out)
