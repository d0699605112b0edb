import numpy as np
import pytest

from hnhub.encode.encoder import Encoder


@pytest.fixture(scope="module")
def encoder(minilm):
    return Encoder(minilm, device="cpu", dtype="float32")


def test_the_same_vectors_as_sentence_transformers_in_input_order(encoder, minilm, texts):
    from sentence_transformers import SentenceTransformer

    sample = [*texts(60), ""]
    plain = SentenceTransformer(minilm, device="cpu").encode(sample, normalize_embeddings=True, show_progress_bar=False)
    ours = encoder.encode_documents(sample)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, plain, atol=2e-6)


def test_vectors_hardly_depend_on_their_company(encoder, texts):
    sample = texts(40)
    together = encoder.encode_documents(sample)
    alone = np.concatenate([encoder.encode_documents([text]) for text in sample])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_array_equal(encoder.encode_documents(sample), together)


def test_prompts_are_put_before_the_text(minilm, encoder):
    prompted = Encoder(minilm, device="cpu", dtype="float32", query_prompt="query: ", document_prompt="passage: ")
    np.testing.assert_allclose(prompted.encode_queries(["cells"]), encoder.encode_queries(["query: cells"]), atol=1e-6)
    np.testing.assert_allclose(
        prompted.encode_documents(["cells"]), encoder.encode_documents(["passage: cells"]), atol=1e-6
    )
    assert prompted.identity() != encoder.identity()


def test_bfloat16_body_is_near_float32(minilm, texts):
    lower = Encoder(minilm, device="cpu", dtype="bfloat16")
    found = lower.agreement(texts(16))
    assert 0.999 < found["least_cosine_to_float32"] <= 1
    assert 0.9 < found["neighbours_kept"] <= 1
    assert lower.identity()["dtype"] == "bfloat16"


def test_a_maximum_length_cuts(minilm):
    short = Encoder(minilm, device="cpu", dtype="float32", max_length=8)
    a, b = short.encode_documents(["one two three four five six seven", "one two three four five six seven eight nine"])
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_static_embeddings_have_no_body_to_lower(static_model, texts):
    static = Encoder(static_model, device="cpu", dtype="bfloat16", max_length=8)
    assert static.dtype == "float32"
    assert static.identity()["max_length"] is None  # it has none, so what was asked for is ignored
    vectors = static.encode_documents(texts(100))
    assert vectors.shape == (100, static.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert static.encode_queries([]).shape == (0, static.dimension)
