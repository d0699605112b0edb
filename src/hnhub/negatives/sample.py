"""In which order a query's usable candidates become its negatives."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from hnhub.score.strata import spread_order
from hnhub.stages import fingerprint

__all__ = ["draw_order", "in_window"]

_LEAST_WEIGHT = 0.1


def in_window(rank: int | None, generated: bool, *, rank_min: int, rank_max: int | None) -> bool:
    """Does the rank window hold this candidate? Generated texts have no rank in a corpus: every window holds them."""
    return generated or (rank is not None and rank_min <= rank and (rank_max is None or rank <= rank_max))


def draw_order(
    scores: Sequence[float | None],
    usable: Sequence[bool],
    *,
    sampling: Literal["top", "random", "weighted", "stratified"],
    seed: int,
    method: str,
    query_id: str,
) -> list[int]:
    """Indices of a query's usable candidates, the first to be taken first; candidates are given in rank order.

    `top` is the order of the ranks; `random` takes each with the same chance; `weighted` draws without replacement with weights that rise with the score from
    0.1 (the lowest usable) to 1 (Efraimidis and Spirakis 2006), the same for all if there is one without a score. `stratified`
    takes one from each of as many strata as are wanted, over the order of the scores (of the ranks, if there is one without).
    The randomness comes from seed, method and query id only.
    """
    eligible = np.flatnonzero(np.asarray(usable, dtype=bool))
    if sampling == "top":
        return eligible.tolist()
    key = int(fingerprint({"seed": seed, "method": method, "query": query_id})[:32], 16)
    if sampling == "stratified":
        values = [scores[i] for i in eligible.tolist()]
        ranked = (
            list(range(len(eligible))) if None in values else np.argsort([-(v or 0.0) for v in values], kind="stable")
        )
        return [int(eligible[ranked[at]]) for at in spread_order(len(eligible), key)]
    # Drawn for every candidate, so that a candidate's luck does not depend on the verdicts on others.
    waits = np.random.default_rng(key).standard_exponential(len(usable))[eligible]
    values = [scores[i] for i in eligible.tolist()]
    if sampling == "weighted" and None not in values:
        found = np.asarray(values, dtype=np.float64)
        spread = float(found.max() - found.min()) if len(found) else 0.0
        if spread > 0:
            waits /= _LEAST_WEIGHT + (1 - _LEAST_WEIGHT) * (found - found.min()) / spread
    return [int(i) for i in eligible[np.argsort(waits, kind="stable")]]
