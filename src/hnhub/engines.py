"""Where the parts of a stage are made: in this process, or by workers elsewhere (`ray_engine`).

A stage cuts its work into numbered parts by its input alone and joins them in order, so what comes out does not depend on
the engine, the number of workers or the order in which they finish.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

__all__ = ["LOCAL", "Engine", "Local"]

Result = TypeVar("Result")


class Engine(Protocol):
    """Calls a function for every part of a stage."""

    @property
    def threads(self) -> int | None:
        """Threads that one call may use; None is every core."""

    def map(self, make: Callable[[int], Result], count: int, *, gpu: bool = False) -> Iterator[Result]:
        """`make(0)` to `make(count - 1)`, in this order. A call may be repeated elsewhere if its worker is lost.

        `gpu`: a GPU helps. Errors of `make` pass through.
        """


@dataclass(frozen=True)
class Local:
    """In this process; its calls use threads, and GPUs as they find them."""

    threads: int | None = None

    def map(self, make: Callable[[int], Result], count: int, *, gpu: bool = False) -> Iterator[Result]:
        """One after the other."""
        del gpu
        return map(make, range(count))


LOCAL = Local()
