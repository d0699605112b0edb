"""Memory of models: a batch that does not fit is halved, and what is done with is given back."""

import ctypes
import gc
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hnhub.errors import HnhubError

__all__ = ["halving", "release"]

log = logging.getLogger(__name__)

Row = TypeVar("Row")


def halving(compute: Callable[[Sequence[Row]], NDArray[Any]], rows: Sequence[Row]) -> NDArray[Any]:
    """`compute(rows)`, [n] or [n, d]; where the device's memory does not hold the batch, of its halves, and theirs.

    Raises HnhubError if a single row does not fit.
    """
    import torch

    try:
        return compute(rows)
    except torch.OutOfMemoryError as error:
        if len(rows) == 1:
            raise HnhubError(
                f"a single text does not fit into the device's memory ({str(error).splitlines()[0]})",
                do="free memory on the device, or use a smaller model or maximum length",
            ) from error
    # Only here, where the error and the tensors that its frames hold are gone, is their memory free.
    torch.cuda.empty_cache()
    middle = (len(rows) + 1) // 2
    log.warning("out of memory with %d texts: going on with %d at a time", len(rows), middle)
    return np.concatenate([halving(compute, part) for part in (rows[:middle], rows[middle:])])


def release() -> None:
    """Give back what models hold that are done with.

    A trained model and its trainer refer to each other, so only a collection frees them, and it comes when objects are many,
    not when they are large. What was freed the C library keeps, in pieces that the next model may not fit into.
    """
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's alone
        trim(0)
