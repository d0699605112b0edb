from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.rows.stats import auc, distribution, measure, separability
from small_run import make_dataset

values = st.lists(st.integers(0, 9), min_size=1, max_size=30)


@given(values, values)
def test_auc_is_the_share_of_pairs_in_order(negatives: list[int], positives: list[int]) -> None:
    pairs = [(n > p) + 0.5 * (n == p) for n in negatives for p in positives]
    area = auc(np.array(negatives, dtype=float), np.array(positives, dtype=float))
    assert area == pytest.approx(sum(pairs) / len(pairs))


@given(st.lists(st.integers(0, 500), min_size=1, max_size=200))
def test_every_value_is_in_the_histogram(counts: list[int]) -> None:
    found = distribution(np.array(counts))
    assert sum(found["histogram"]["counts"]) == len(counts) == found["count"]
    assert found["p5"] <= found["p50"] <= found["p95"] <= found["max"] == max(counts)


def test_nothing_measured_without_values() -> None:
    assert distribution(np.array([], dtype=np.int64)) == {"count": 0}


def test_a_style_of_its_own_is_told_and_the_same_style_is_not() -> None:
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(30)]
    passages = [" ".join(rng.choice(words, 40)) for _ in range(400)]
    generated = [f"As a rule, {passage}, indeed." for passage in passages[200:]]
    alike = separability(passages[:200], passages[200:])
    shown = separability(passages[:200], generated)
    assert alike is not None
    assert shown is not None
    assert abs(alike["style_auc"] - 0.5) < 0.1
    assert alike["length_auc"] == 0.5
    assert shown["style_auc"] > 0.99
    assert shown["length_auc"] == 1.0


def test_too_few_texts_say_nothing() -> None:
    assert separability([f"a {i}" for i in range(99)], [f"b {i}" for i in range(200)]) is None


def test_measured_facts_of_a_small_dataset(tmp_path: Path) -> None:
    facts = measure(make_dataset(tmp_path))
    assert facts["rows"] == {
        "queries": {"train": 12}, "llm": {"train": 11}, "llm-scored": {"train": 33},
        "bm25": {"train": 11}, "bm25-scored": {"train": 48},
    }  # fmt: skip
    assert facts["held_out"] == {"test": 2}
    assert {"stage": "negatives", "method": "bm25", "reason": "relevant", "count": 12, "queries": 12} in facts["drops"]
    bm25, llm = facts["methods"]["bm25"], facts["methods"]["llm"]
    assert bm25["candidates"] == {"drop": 13, "keep": 23}
    assert (bm25["chosen"], bm25["distinct_documents"]) == (23, 23)
    assert (llm["chosen"], llm["distinct_documents"]) == (22, 0)
    assert llm["words"]["negative"]["mean"] == 11
    # what/about/the/kettle/in/rain/0: a positive has the, kettle, in, rain, 0; a negative kettle, in and a number sometimes.
    assert llm["overlap"]["query_in_positive"] == pytest.approx(5 / 7, abs=1e-4)


def test_texts_that_are_not_published_are_not_measured(tmp_path: Path) -> None:
    facts = measure(make_dataset(tmp_path, publish_text=False))
    assert "words" not in facts["methods"]["bm25"]
    assert facts["methods"]["bm25"]["chosen"] == 23
