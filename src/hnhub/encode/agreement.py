"""How far two ways to compute the same model agree: what a lower precision costs, on the user's own texts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["kendall_tau", "least_cosine", "neighbours_kept"]


def least_cosine(exact: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """The least cosine between vectors [n, dimension] of the same texts."""
    sizes = np.linalg.norm(exact, axis=1) * np.linalg.norm(other, axis=1)
    return float(((exact * other).sum(axis=1) / sizes).min())


def neighbours_kept(exact: NDArray[np.floating], other: NDArray[np.floating], k: int) -> float:
    """The share of each text's k nearest among the others that stay so; vectors [n, dimension], n above k."""
    nearest = [_nearest(vectors, k) for vectors in (exact, other)]
    return float(np.mean([len(np.intersect1d(one, two)) / k for one, two in zip(*nearest, strict=True)]))


def kendall_tau(exact: ArrayLike, other: ArrayLike) -> float:
    """Kendall's tau-b of two scorings of the same pairs; 1 for fewer than two."""
    signs = [np.sign(np.subtract.outer(values, values)) for values in map(np.asarray, (exact, other))]
    size = np.sqrt(np.prod([float((one**2).sum()) for one in signs]))
    return float((signs[0] * signs[1]).sum() / size) if size else 1.0


def _nearest(vectors: NDArray[np.floating], k: int) -> NDArray[np.intp]:
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    return np.argpartition(-likeness, k - 1, axis=1)[:, :k]
