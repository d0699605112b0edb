import numpy as np
import pytest
from scipy.stats import kendalltau

from hnhub.encode.agreement import kendall_tau, least_cosine, neighbours_kept


@pytest.mark.parametrize("ties", [False, True])
def test_tau_is_scipys(ties: bool) -> None:
    draw = np.random.default_rng(3)
    one, other = draw.normal(size=(2, 40)).round(1 if ties else 9)
    assert kendall_tau(one, other) == pytest.approx(kendalltau(one, other)[0])
    assert kendall_tau(one, one) == pytest.approx(1)
    assert kendall_tau(one, -one) == pytest.approx(-1)


def test_neighbours_and_cosines_of_turned_vectors() -> None:
    angles = np.array([0.0, 0.1, 0.25, 3.0, 3.1])
    exact = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert neighbours_kept(exact, exact * 2, 1) == 1
    assert least_cosine(exact, exact * 2) == pytest.approx(1)
    angles[4] = 0.24  # the nearest of the third now, whose nearest was the second, and of none of the first two
    moved = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert neighbours_kept(exact, moved, 1) == pytest.approx(2 / 5)
    assert least_cosine(exact, moved) == pytest.approx(np.cos(2.86))
