"""A device whose memory runs out: the batch is halved, and the work goes on."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hnhub.errors import HnhubError

__all__ = ["halving"]

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
