import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hnhub.encode import topk
from hnhub.encode.topk import top_k


def brute_force(queries, documents, k):
    scores = queries.astype(np.float64) @ documents.astype(np.float64).T
    order = np.lexsort((np.broadcast_to(np.arange(len(documents)), scores.shape), -scores), axis=-1)[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


# Small whole numbers: products are exact, so ties are exact, and there are many.
@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(1, 7), st.integers(1, 12))
def test_exact_with_ties_in_document_order(seed, documents, queries, k):
    draw = np.random.default_rng(seed)
    corpus = draw.integers(-2, 3, (documents, 4)).astype(np.float32)
    asked = draw.integers(-2, 3, (queries, 4)).astype(np.float32)
    order, best = brute_force(asked, corpus, k)
    for search in (top_k, lambda q, c, n: topk._search_torch(q, c, n, "cpu", 7)):
        indices, scores = search(asked, [corpus], k)
        found = min(k, documents)
        np.testing.assert_array_equal(indices[:, :found], order)
        np.testing.assert_array_equal(scores[:, :found], best)
        assert (indices[:, found:] == -1).all()
        assert np.isneginf(scores[:, found:]).all()


def test_the_same_for_any_chunking():
    draw = np.random.default_rng(0)
    corpus = draw.normal(size=(9000, 48)).astype(np.float32)
    corpus[5000:5050] = corpus[100]
    queries = draw.normal(size=(700, 48)).astype(np.float32)
    indices, scores = top_k(queries, [corpus], 30)
    for cuts in ([1, 2048, 2049, 8999], [4096], list(range(0, 9000, 333))):
        other = top_k(queries, np.split(corpus, cuts), 30)
        np.testing.assert_array_equal(indices, other[0])
        np.testing.assert_array_equal(scores.view(np.int32), other[1].view(np.int32))
    order, _ = brute_force(queries, corpus, 30)
    assert (order == indices).mean() > 0.999


def test_copies_of_a_document_come_in_order():
    corpus = np.random.default_rng(1).normal(size=(5000, 64)).astype(np.float32)
    corpus[[7, 2047, 2048, 4999]] = corpus[7]
    indices, _ = top_k(corpus[7:8], [corpus], 4)
    assert indices.tolist() == [[7, 2047, 2048, 4999]]


def test_float16_chunks_and_no_documents():
    corpus = np.eye(5, dtype=np.float16)
    indices, scores = top_k(np.eye(5, dtype=np.float32)[2:3], [corpus], 2)
    assert indices[0, 0] == 2
    assert scores.dtype == np.float32
    indices, scores = top_k(np.ones((2, 5), np.float32), [], 3)
    assert (indices == -1).all()
    assert np.isneginf(scores).all()


def test_memory_does_not_hold_queries_times_corpus():
    # 2,000 queries x 200,000 documents would be 1.6 GB; the vectors pass by in chunks that are made as they are asked for.
    code = """
import resource, sys
import numpy as np
from hnhub.encode.topk import top_k
draw = np.random.default_rng(0)
queries = draw.normal(size=(2000, 16)).astype(np.float32)
top_k(queries[:1], [queries], 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
top_k(queries, (draw.normal(size=(10000, 16)).astype(np.float32) for _ in range(20)), 50)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // (1024 if sys.platform == "darwin" else 1))
"""
    grown = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    assert grown < 60_000
