import csv
import re

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from hnhub.errors import InputError, UsageError
from hnhub.learn.metrics import check_measures, score
from hnhub.learn.runs import run_of_mapping

MEASURES = {
    # ours: trec_eval's
    "nDCG": "ndcg", "nDCG@1": "ndcg_cut_1", "nDCG@3": "ndcg_cut_3", "nDCG@10": "ndcg_cut_10", "P@3": "P_3",
    "Precision@10": "P_10", "Recall@3": "recall_3", "R@10": "recall_10", "MRR": "recip_rank", "RR": "recip_rank",
    "MAP": "map", "AP@3": "map_cut_3", "MAP@10": "map_cut_10",
}  # fmt: skip
DOCUMENTS = [*"abcdefghAB", "é", "10", "9", "a b"]
QUERIES = ["q1", "q2", "q3", "é"]
# Few values, so that ties are common; 1 and 1 + 1e-9 tie in trec_eval's single precision.
SCORES = st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 1.0 + 1e-6, 2.5, -1.0]) | st.floats(-10, 10, width=32)
RUNS = st.dictionaries(st.sampled_from(QUERIES), st.dictionaries(st.sampled_from(DOCUMENTS), SCORES))
QRELS = st.dictionaries(
    st.sampled_from(QUERIES), st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(0, 4), min_size=1), min_size=1
)


def by_trec_eval(qrels, run, measures):
    """trec_eval -c: every judged query counts."""
    names = {"ndcg", "map", "recip_rank", "ndcg_cut.1,3,10,100", "P.3,10", "recall.3,10,100", "map_cut.3,10,100"}
    found = pytrec_eval.RelevanceEvaluator(qrels, names).evaluate(run)
    return {name: np.array([found.get(q, {}).get(name, 0.0) for q in qrels]) for name in measures}


@settings(max_examples=400, deadline=None)
@given(QRELS, RUNS)
def test_equals_trec_eval_with_ties_unjudged_documents_and_missing_queries(qrels, run):
    expected = by_trec_eval(qrels, run, list(MEASURES.values()))
    for given_run in (run, run_of_mapping(run)):
        found = score(qrels, given_run, list(MEASURES))
        assert found.query_ids == tuple(qrels)
        for ours, theirs in MEASURES.items():
            np.testing.assert_allclose(found.values[ours], expected[theirs], atol=1e-6, err_msg=ours)


@settings(max_examples=100, deadline=None)
@given(QRELS, RUNS)
def test_a_cut_reciprocal_rank_is_the_whole_one_or_nothing(qrels, run):
    whole = by_trec_eval(qrels, run, ["recip_rank"])["recip_rank"]
    np.testing.assert_allclose(
        score(qrels, run, ["MRR@3"]).values["MRR@3"], np.where(whole >= 1 / 3, whole, 0), atol=1e-9
    )


def large(queries, depth, seed):
    generator = np.random.default_rng(seed)
    run = {
        f"q{q}": {
            f"d{d}": float(s)
            for d, s in zip(generator.permutation(5000)[:depth], generator.integers(0, 300, depth), strict=True)
        }
        for q in range(queries)
    }
    qrels = {
        f"q{q}": {f"d{d}": int(generator.integers(0, 3)) for d in generator.permutation(5000)[:60]}
        for q in range(5, queries + 5)
    }
    return qrels, run


def test_equals_trec_eval_at_depth_1000_in_hundreds_of_ties():
    qrels, run = large(queries=60, depth=1000, seed=0)
    measures = {
        "nDCG@10": "ndcg_cut_10",
        "P@10": "P_10",
        "Recall@100": "recall_100",
        "MAP@100": "map_cut_100",
        "MAP": "map",
    }
    found = score(qrels, run, list(measures))
    for ours, theirs in measures.items():
        np.testing.assert_allclose(
            found.values[ours], by_trec_eval(qrels, run, [theirs])[theirs], atol=1e-6, err_msg=ours
        )
    assert found.means()["nDCG@10"] == pytest.approx(found.values["nDCG@10"].mean())


def test_equals_trec_eval_on_real_judgements(beir):
    qrels: dict[str, dict[str, int]] = {}
    with (beir / "nfcorpus/qrels/test.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    documents = sorted({d for judged in qrels.values() for d in judged})
    generator = np.random.default_rng(1)
    run = {
        q: {d: float(generator.integers(0, 50)) for d in generator.choice(documents, 200, replace=False)}
        for q in list(qrels)[::2]
    }
    for ours, theirs in {
        "nDCG@10": "ndcg_cut_10",
        "P@10": "P_10",
        "Recall@100": "recall_100",
        "MAP@100": "map_cut_100",
    }.items():
        np.testing.assert_allclose(
            score(qrels, run, [ours]).values[ours], by_trec_eval(qrels, run, [theirs])[theirs], atol=1e-6
        )


def test_other_measures_come_from_ir_measures():
    import ir_measures

    qrels, run = large(queries=10, depth=100, seed=2)
    names = ["Bpref", "P(rel=2)@5", "nDCG(judged_only=True)@10", "Success@5", "Rprec", "Judged@10", "nDCG@10"]
    found = score(qrels, run, names)
    for name in names:
        expected = {m.query_id: m.value for m in ir_measures.iter_calc([ir_measures.parse_measure(name)], qrels, run)}
        np.testing.assert_allclose(found.values[name], [expected.get(q, 0.0) for q in qrels], atol=1e-6, err_msg=name)
    assert list(found.values) == names


@pytest.mark.parametrize("name", ["nDGC@10", "P", "P(rell=2)@5", "P(rel=2", "nDCG@10.5", "alpha_nDCG@10", ""])
def test_what_nothing_computes_is_refused_before_work(name: str) -> None:
    with pytest.raises(UsageError, match=f"measure {re.escape(repr(name))}: .+; use e.g. nDCG@10"):
        check_measures(["nDCG@10", "P(rel=2)@5", name])


def test_an_unknown_measure_and_no_judgements_are_refused():
    with pytest.raises(UsageError, match="measure 'nDGC@10'"):
        score({"q": {"a": 1}}, {}, ["nDGC@10"])
    with pytest.raises(InputError, match="no judged query"):
        score({}, {"q": {"a": 1.0}})
