import numpy as np
import pytest

from hnhub.encode.approximate import approximate_top_k, build_index, check_factory, recall
from hnhub.encode.shards import Embeddings
from hnhub.encode.topk import top_k
from hnhub.errors import UsageError


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory):
    """9,000 vectors of length 1 around 40 centres, in two shards; each of the first 50 is there twice."""
    folder = tmp_path_factory.mktemp("embeddings")
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(40, 24))[draw.integers(0, 40, 9000)] + 0.4 * draw.normal(size=(9000, 24))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    vectors[8950:] = vectors[:50]
    np.save(folder / "00000.npy", vectors[:8192])
    np.save(folder / "00001.npy", vectors[8192:])
    return Embeddings(folder, 9000, 24)


def test_a_flat_index_finds_what_exact_search_finds_in_its_order(embeddings, tmp_path):
    queries = embeddings.take(np.arange(60))
    build_index(embeddings, "Flat", tmp_path / "flat.faiss")
    found, scores = approximate_top_k(queries, embeddings, 10, tmp_path / "flat.faiss")
    exact, exact_scores = top_k(queries, embeddings.chunks(), 10)
    np.testing.assert_allclose(scores, exact_scores, atol=1e-6)
    assert recall(exact, found) > 0.99
    assert found.dtype == exact.dtype
    # Equal vectors tie, and stand in the order of the documents.
    assert found[:50, :2].tolist() == [[i, 8950 + i] for i in range(50)]


def test_an_index_of_clusters_is_near_deterministic_and_searched_as_it_says(embeddings, tmp_path):
    queries = embeddings.take(np.arange(100, 200))
    exact, _ = top_k(queries, embeddings.chunks(), 10)
    shares = []
    for name, factory in (("a", "IVF32,Flat;nprobe=16"), ("b", "IVF32,Flat;nprobe=16"), ("c", "IVF32,PQ4x4")):
        build_index(embeddings, factory, tmp_path / name)
        found, scores = approximate_top_k(queries, embeddings, 10, tmp_path / name)
        shares.append(recall(exact, found))
        assert (np.diff(scores, axis=1) <= 0).all()
        own = np.einsum("qd,qkd->qk", queries, embeddings.take(found.ravel()).reshape(100, 10, 24))
        np.testing.assert_allclose(scores, own, atol=1e-5)  # also where the index keeps only codes
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert shares[0] > 0.95
    assert shares[2] < shares[0]


def test_what_an_index_does_not_find_is_left_empty(embeddings, tmp_path):
    build_index(embeddings, "IVF64,Flat;nprobe=1", tmp_path / "few")
    found, scores = approximate_top_k(embeddings.take(np.arange(3)), embeddings, 2000, tmp_path / "few")
    assert (found[:, -1] == -1).all()
    assert np.isneginf(scores[found == -1]).all()
    assert recall(np.array([[1, 2, -1]]), np.array([[2, 7, -1]])) == 0.5


@pytest.mark.parametrize("factory", ["Flut", "Flat;nprobe=2", "IVF8,PQ7"])
def test_a_factory_that_faiss_refuses_is_a_usage_error(factory):
    with pytest.raises(UsageError, match=r"faiss refuses .*; correct --faiss"):
        check_factory(factory, 24)


def test_more_clusters_than_documents_are_a_usage_error(embeddings, tmp_path):
    with pytest.raises(UsageError, match=r"faiss refuses 'IVF20000,Flat'"):
        build_index(embeddings, "IVF20000,Flat", tmp_path / "bad")
    assert not list(tmp_path.iterdir())
