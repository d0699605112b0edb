"""An order of ranked candidates whose every beginning is spread evenly over the ranks."""

import numpy as np

__all__ = ["spread_order"]


def spread_order(count: int, key: int) -> list[int]:
    """The indices 0 to count - 1 so that the first n of them, for any n, stand in n strata of about equal size.

    The base-2 van der Corput sequence (1935), turned by an amount that is drawn from `key`: two ranks are never far more or
    less than count / n apart.
    """
    if not count:
        return []
    bits = max(1, (count - 1).bit_length())
    turn = np.random.default_rng(key).random()
    reversed_bits = [int(f"{number:0{bits}b}"[::-1], 2) / (1 << bits) for number in range(1 << bits)]
    # Sorted by place, neighbours share a stratum of the finest level; each index takes the earliest place that it holds.
    places = (np.array(reversed_bits) + turn) % 1.0
    return list(dict.fromkeys((places * count).astype(np.int64).tolist()))
