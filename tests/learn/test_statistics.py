import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hnhub.errors import InputError, UsageError
from hnhub.learn import statistics as s

VALUES = arrays(np.float64, st.integers(3, 30), elements=st.floats(-1, 1, width=16))


@settings(max_examples=60, deadline=None)
@given(VALUES.filter(lambda d: d.std() > 1e-3))
def test_t_tests_equal_scipys(d):
    assert s.t_test(d) == pytest.approx(scipy.stats.ttest_1samp(d, 0).pvalue, abs=1e-9)
    both = [scipy.stats.ttest_1samp(d, b, alternative=a).pvalue for b, a in [(-0.1, "greater"), (0.1, "less")]]
    assert s.equivalence_test(d, 0.1) == pytest.approx(max(both), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, st.integers(2, 9), elements=st.integers(-3, 3).map(float)))
def test_the_randomisation_test_is_near_the_exact_one(d):
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(d))).reshape(len(d), -1).T
    exact = (np.abs(signs @ d) >= abs(d.sum())).mean()
    assert s.randomisation_test(d, samples=4000) == pytest.approx(exact, abs=5 * math.sqrt(0.25 / 4000))
    assert s.randomisation_test(d, samples=500, seed=3) == s.randomisation_test(d, samples=500, seed=3)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_equals_its_definition(p_values):
    ordered = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for place, i in enumerate(ordered):
        expected = max(min(1.0, (len(p_values) - k) * p_values[ordered[k]]) for k in range(place + 1))
        assert s.holm(p_values)[i] == expected


def test_constant_differences():
    assert s.t_test(np.full(5, 0.1)) == 0
    assert s.t_test(np.zeros(5)) == 1
    assert s.randomisation_test(np.zeros(5)) == 1
    assert s.equivalence_test(np.zeros(5), 0.01) == 0
    assert s.equivalence_test(np.full(5, 0.1), 0.01) == 1


def planted(generator, effect, queries=200, spread=0.1):
    """Scores of two systems whose true mean difference is `effect`, skewed and lumpy as per-query scores are."""
    base = generator.beta(0.5, 0.5, queries)
    noise = generator.choice([-1.0, 0.0, 0.0, 1.0], queries) * generator.exponential(spread, queries)
    return {"a": base + effect + noise, "b": base}


@pytest.mark.parametrize("test", ["randomisation", "t"])
@pytest.mark.parametrize(
    ("effect", "expected", "at_least", "wrong", "at_most"),
    [
        (0.0, "equivalent", 0.75, ("better", "worse"), 0.05),
        (0.05, "better", 0.95, ("worse", "equivalent"), 0.01),
        (-0.05, "worse", 0.95, ("better", "equivalent"), 0.01),
        # The margin itself is the hardest case of the equivalence test.
        (0.025, "better", 0.75, ("worse", "equivalent"), 0.05),
    ],
)
def test_verdicts_err_as_rarely_as_they_say(test, effect, expected, at_least, wrong, at_most):
    generator, repeats = np.random.default_rng(7), 400
    verdicts = []
    for _ in range(repeats):
        values = planted(generator, effect)
        verdicts += [c.verdict for c in s.conclude(values, [("a", "b")], margin=0.025, test=test, samples=400)]
    # Three standard errors of simulation above the stated rate.
    assert sum(v in wrong for v in verdicts) / repeats <= at_most + 3 * math.sqrt(at_most * (1 - at_most) / repeats)
    assert verdicts.count(expected) / repeats >= at_least


def test_few_queries_decide_nothing():
    generator = np.random.default_rng(13)
    pairs = (planted(generator, 0.01, queries=25) for _ in range(200))
    verdicts = [s.conclude(values, [("a", "b")], margin=0.01, samples=400)[0].verdict for values in pairs]
    assert verdicts.count("undecided") / 200 >= 0.75


def test_holm_keeps_the_error_rate_of_a_family():
    generator, repeats, errors = np.random.default_rng(8), 300, 0
    for _ in range(repeats):
        values = {"base": generator.random(100)}
        values |= {f"v{i}": values["base"] + generator.normal(0, 0.1, 100) for i in range(6)}
        found = s.conclude(values, [(f"v{i}", "base") for i in range(6)], margin=0.01, samples=400)
        errors += any(c.verdict in ("better", "worse") for c in found)
    assert errors / repeats <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repeats)


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    generator = np.random.default_rng(9)
    covered = 0
    for _ in range(300):
        low, high = s.bootstrap_interval(generator.exponential(0.1, 150) - 0.1, samples=500)
        covered += low <= 0 <= high
    assert covered / 300 == pytest.approx(0.95, abs=0.04)


def test_the_number_of_queries_decides_in_four_of_five():
    generator = np.random.default_rng(10)
    values = planted(generator, 0.01, queries=100)
    needed = s.queries_needed(values["a"] - values["b"], margin=0.001)
    d = values["a"] - values["b"]
    decided = [s.t_test(generator.choice(d, needed)) <= 0.05 for _ in range(300)]
    assert np.mean(decided) == pytest.approx(0.8, abs=0.08)


def test_seeds_are_averaged_per_query_first():
    generator = np.random.default_rng(11)
    base, runs = generator.random(50), generator.random((3, 50))
    (found,) = s.conclude({"base": base, "v": runs}, [("v", "base")], margin=0.01)
    (same,) = s.conclude({"base": base, "v": runs.mean(axis=0)}, [("v", "base")], margin=0.01)
    assert found == same
    assert found.difference == pytest.approx(runs.mean() - base.mean())


def test_sentences_say_what_may_be_said():
    generator = np.random.default_rng(12)
    base = generator.random(300)
    values = {
        "base": base, "up": base + generator.normal(0.1, 0.1, 300), "same": base + generator.normal(0, 0.01, 300),
        "tiny": base + 0.001, "noisy": base + generator.normal(0, 0.5, 300),
    }  # fmt: skip
    found = s.conclude(values, [(name, "base") for name in values if name != "base"], margin=0.01)
    text = {c.system: s.sentence(c, "nDCG@10", "scifact") for c in found}
    assert text["up"].startswith("scifact, nDCG@10: up is better than base (+0.")
    assert "same is equivalent to base within 0.01" in text["same"]
    assert "tiny is better than base, though by less than 0.01" in text["tiny"]
    assert "noisy against base is undecided" in text["noisy"]
    assert "it would take about" in text["noisy"]
    assert [c.queries_needed is not None for c in found] == [c.verdict == "undecided" for c in found]
    assert all(c.queries_needed is None or c.queries_needed > c.queries for c in found)


def test_bad_input_is_refused():
    with pytest.raises(UsageError, match="margin 0"):
        s.conclude({"a": np.ones(3), "b": np.ones(3)}, [("a", "b")], margin=0)
    with pytest.raises(InputError, match="a has 3 queries and b 4"):
        s.conclude({"a": np.ones(3), "b": np.ones(4)}, [("a", "b")], margin=1)
    with pytest.raises(InputError, match="1 queries can't be tested"):
        s.conclude({"a": np.ones(1), "b": np.ones(1)}, [("a", "b")], margin=1)
