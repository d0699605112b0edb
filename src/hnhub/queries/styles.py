"""How many queries each style gets, and in which order they are asked for."""

import math
from collections.abc import Mapping, Sequence

__all__ = ["quotas", "spread"]


def quotas(styles: Sequence[tuple[str, float]], wanted: int) -> dict[str, int]:
    """How many of `wanted` queries each style gets: its share, rounded by largest remainders, so that the sum is `wanted`."""
    whole = sum(share for _, share in styles)
    exact = {style: wanted * share / whole for style, share in styles}
    found = {style: math.floor(count) for style, count in exact.items()}
    rest = sorted(exact, key=lambda style: (found[style] - exact[style], list(exact).index(style)))
    for style in rest[: wanted - sum(found.values())]:
        found[style] += 1
    return found


def spread(counts: Mapping[str, int]) -> list[str]:
    """Every style so often as `counts` says, evenly among the others, so that neighbours differ where they can."""
    places = [((n + 0.5) / count, at, style) for at, (style, count) in enumerate(counts.items()) for n in range(count)]
    return [style for _, _, style in sorted(places)]
