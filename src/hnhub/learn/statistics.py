"""What may be concluded from per-query scores of two systems on the same queries, and what not.

A difference is claimed by a paired test, Holm-corrected over the pairs that are looked at together; "equivalent" is
claimed only by two one-sided tests against a stated margin (TOST: Schuirmann 1987), never by a difference test that found
nothing; whatever neither test decides is undecided, with the number of queries that would probably decide it. The tests
generalise over queries. Runs with several seeds are averaged per query first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hnhub.errors import InputError, MissingExtra, UsageError

__all__ = [
    "Conclusion",
    "Test",
    "bootstrap_interval",
    "check_margin",
    "conclude",
    "equivalence_test",
    "holm",
    "queries_needed",
    "randomisation_test",
    "sentence",
    "t_test",
]

Floats = npt.NDArray[np.float64]
Test = Literal["randomisation", "t"]

_CELLS = 1 << 20
"""Random numbers drawn at a time."""

_POWER = 0.8
"""The chance of a decision that the number of needed queries is computed for."""


@dataclass(frozen=True)
class Conclusion:
    """What was found for `system` against `baseline`. Differences are `system` minus `baseline`."""

    system: str
    baseline: str
    queries: int
    difference: float
    low: float
    """Bootstrap interval of the difference over queries, at confidence 1 - alpha."""
    high: float
    p: float
    """Of the difference test, two-sided."""
    p_holm: float
    p_equivalence: float
    p_equivalence_holm: float
    margin: float
    alpha: float
    verdict: Literal["better", "worse", "equivalent", "undecided"]
    queries_needed: int | None
    """Only when undecided; None also if no number of queries would do."""

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def check_margin(margin: float) -> None:
    """Raise UsageError for a margin that is not above 0."""
    if not margin > 0:
        raise UsageError(
            f"margin {margin:g} is not above 0", do="state the largest difference that does not matter, e.g. 0.01"
        )


def conclude(
    values: Mapping[str, npt.NDArray[np.floating]],
    pairs: Iterable[tuple[str, str]],
    *,
    margin: float,
    alpha: float = 0.05,
    test: Test = "randomisation",
    samples: int = 10_000,
    seed: int = 0,
) -> list[Conclusion]:
    """Compare pairs (system, baseline) of one family: one corpus and measure.

    `values` holds per-query scores by system, shape [q], or [seeds, q] with the queries in the same order everywhere; the
    seeds are averaged. Raises UsageError for a margin that is not above 0, InputError if shapes do not pair up.
    """
    check_margin(margin)
    pairs = list(pairs)
    means = {name: np.atleast_2d(np.asarray(scores, np.float64)).mean(axis=0) for name, scores in values.items()}
    differences = [_paired(means, system, baseline) for system, baseline in pairs]
    if test == "randomisation":
        raw = [randomisation_test(d, samples=samples, seed=seed) for d in differences]
    else:
        raw = [t_test(d) for d in differences]
    equal = [equivalence_test(d, margin) for d in differences]
    found = []
    for (system, baseline), d, p, p_holm, q, q_holm in zip(
        pairs, differences, raw, holm(raw), equal, holm(equal), strict=True
    ):
        mean = float(d.mean())
        verdict: Literal["better", "worse", "equivalent", "undecided"] = "undecided"
        if p_holm <= alpha:
            verdict = "better" if mean > 0 else "worse"
        elif q_holm <= alpha:
            verdict = "equivalent"
        needed = queries_needed(d, margin, alpha=alpha / len(pairs)) if verdict == "undecided" else None
        low, high = bootstrap_interval(d, confidence=1 - alpha, samples=samples, seed=seed)
        found.append(
            Conclusion(system, baseline, len(d), mean, low, high, p, p_holm, q, q_holm, margin, alpha, verdict, needed)
        )
    return found


def _paired(means: Mapping[str, Floats], system: str, baseline: str) -> Floats:
    if means[system].shape != means[baseline].shape:
        raise InputError(
            f"{system} has {means[system].size} queries and {baseline} {means[baseline].size}",
            do="evaluate both on the same split",
        )
    if means[system].size < 2:
        raise InputError(f"{system}: {means[system].size} queries can't be tested", do="use a split with more queries")
    return means[system] - means[baseline]


def randomisation_test(differences: Floats, *, samples: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of Fisher's paired randomisation test: how often random signs give a mean as far from 0.

    Monte Carlo with the observed assignment counted in (Davison and Hinkley 1997), so p >= 1 / (samples + 1).
    """
    generator = np.random.default_rng(seed)
    # Zero differences keep the sum whatever their sign: leave them out, and rounding can't tell equal sums apart.
    moved = differences[differences != 0]
    observed = abs(moved.sum()) * (1 - 1e-12) - 1e-15
    extreme, size = 0, max(1, _CELLS // max(1, moved.size))
    for start in range(0, samples, size):
        signs = generator.integers(0, 2, (min(size, samples - start), moved.size), dtype=np.int8)
        sums = 2 * (signs @ moved) - moved.sum()
        extreme += int((np.abs(sums) >= observed).sum())
    return (extreme + 1) / (samples + 1)


def t_test(differences: Floats) -> float:
    """Two-sided p of the paired t-test."""
    return min(1.0, 2 * min(_upper_tail(differences, 0.0), _upper_tail(-differences, 0.0)))


def equivalence_test(differences: Floats, margin: float) -> float:
    """The p of TOST: small if the mean difference is within (-margin, margin)."""
    return max(_upper_tail(differences, -margin), _upper_tail(-differences, -margin))


def _upper_tail(differences: Floats, bound: float) -> float:
    """The p of the one-sided t-test that the mean is above `bound`."""
    mean, error = float(differences.mean()) - bound, float(differences.std(ddof=1)) / math.sqrt(differences.size)
    if error == 0:
        return 0.0 if mean > 0 else 1.0
    return float(_scipy_stats().t.sf(mean / error, differences.size - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values, in the order given."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def bootstrap_interval(
    values: Floats, *, confidence: float = 0.95, samples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval (Efron 1979) of the mean over queries."""
    generator = np.random.default_rng(seed)
    size = max(1, _CELLS // values.size)
    means = np.concatenate(
        [
            values[generator.integers(0, values.size, (min(size, samples - start), values.size))].mean(axis=1)
            for start in range(0, samples, size)
        ]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def queries_needed(differences: Floats, margin: float, *, alpha: float = 0.05) -> int | None:
    """How many queries would decide at the observed mean and spread, with a chance of 0.8; None if none would.

    The smaller of the normal approximations for a difference and for an equivalence (Julious 2004, formulas for paired
    means), and more than there are.
    """
    normal = _scipy_stats().norm
    mean, spread = abs(float(differences.mean())), float(differences.std(ddof=1))
    numbers = []
    if mean > 0:
        numbers.append(((normal.isf(alpha / 2) + normal.isf(1 - _POWER)) * spread / mean) ** 2)
    if mean < margin:
        # At a mean of exactly 0 both one-sided tests must pass, so the chance is shared between them.
        miss = 1 - _POWER if mean > 0 else (1 - _POWER) / 2
        numbers.append(((normal.isf(alpha) + normal.isf(miss)) * spread / (margin - mean)) ** 2)
    return max(differences.size + 1, math.ceil(min(numbers))) if numbers else None


def sentence(conclusion: Conclusion, measure: str, corpus: str) -> str:
    """What may be said, in one plain sentence."""
    c = conclusion
    head = f"{corpus}, {measure}: {c.system} "
    figures = f"{c.difference:+.4f}, {(1 - c.alpha):.0%} interval {c.low:+.4f} to {c.high:+.4f}, {c.queries:,} queries"
    if c.verdict in ("better", "worse"):
        small = f", though by less than {c.margin:g}" if c.p_equivalence_holm <= c.alpha else ""
        return f"{head}is {c.verdict} than {c.baseline}{small} ({figures}, p {_p(c.p_holm)} after Holm)."
    if c.verdict == "equivalent":
        return f"{head}is equivalent to {c.baseline} within {c.margin:g} ({figures}, TOST p {_p(c.p_equivalence_holm)} after Holm)."
    needed = (
        f"it would take about {c.queries_needed:,} queries" if c.queries_needed else "no number of queries would do"
    )
    return (
        f"{head}against {c.baseline} is undecided ({figures}; neither a difference, p {_p(c.p_holm)}, nor equivalence "
        f"within {c.margin:g}, p {_p(c.p_equivalence_holm)}, is shown); {needed}."
    )


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _scipy_stats() -> Any:
    try:
        import scipy.stats
    except ImportError:
        raise MissingExtra("scipy, which the tests need,", extra="models") from None
    return scipy.stats
