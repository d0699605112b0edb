"""Models that are given as objects: used as they are, known by what they compute with, never changed."""

import gc

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

import small_models
from hnhub.encode.encoder import Encoder
from hnhub.encode.models import held, hold, resolve
from hnhub.encode.presets import identity
from hnhub.errors import InputError, UsageError
from hnhub.score.pair_scorer import PairScorer
from hnhub.score.scorers import find_reference, load_scorers
from small_miners import write_cross_encoder

TEXTS = ["a kettle boils", "rivers carry boats", "ice is old"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return small_models.tiny_bert(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def model(folder):
    return SentenceTransformer(folder, device="cpu")


def test_an_objects_vectors_are_its_own(model, folder):
    name = hold(model)
    encoder = Encoder(name)
    expected = model.encode_document(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(Encoder(folder, dtype="float32").encode_documents(TEXTS), expected, atol=1e-6)
    assert encoder.identity()["model"] == "tiny"
    assert "/" not in name


def test_a_name_is_of_weights_and_settings_and_use_changes_it_not(model, folder):
    first = hold(model)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    Encoder(first).encode_documents(["a longer text than before", "b"])
    model.encode(["yet another"], batch_size=1)
    assert hold(model) == first == hold(SentenceTransformer(folder, device="cpu"))
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())

    names = {first}
    with torch.no_grad():
        model[0].auto_model.embeddings.word_embeddings.weight[5, 5] += 1e-6
    names.add(hold(model))
    model.max_seq_length = 16
    names.add(hold(model))
    model.prompts["query"] = "query: "
    names.add(hold(model))
    model.truncate_dim = 8
    names.add(hold(model))
    names.add(hold(model.half()))
    assert len(names) == 6


def test_prompts_dtype_and_length_are_the_objects(model):
    model.prompts.update(query="ask: ", document="tell: ")
    encoder = Encoder(hold(model.bfloat16()))
    assert (encoder.query_prompt, encoder.document_prompt) == ("ask: ", "tell: ")
    assert encoder.dtype == "bfloat16"
    assert encoder.identity()["max_length"] == 32
    assert 0.9 < encoder.agreement(TEXTS)["least_cosine_to_float32"] < 1
    assert next(model.parameters()).dtype == torch.bfloat16
    with pytest.raises(UsageError, match="max_seq_length"):
        Encoder(hold(model), max_length=8)


def test_an_object_named_after_a_family_gets_no_prefix_of_it(model):
    model[0].auto_model.config._name_or_path = "intfloat/e5-base-v2"
    name = hold(model)
    assert name.startswith("intfloat/e5-base-v2@sha256:")
    assert Encoder(name).query_prompt == ""
    assert identity(name)["preset_query_prompt"] == ""
    assert Encoder(name, preset="e5").query_prompt == "query: "


def test_an_object_that_is_gone_is_said(folder):
    name = hold(SentenceTransformer(folder, device="cpu"))
    gc.collect()
    assert held(name) is None
    with pytest.raises(InputError, match="was an object in memory"):
        resolve(name)


def test_static_embeddings_and_what_cant_be_saved(tmp_path):
    static = SentenceTransformer(small_models.word_vectors(tmp_path / "static", 16), device="cpu")
    assert Encoder(hold(static)).encode_queries(TEXTS).shape == (3, 16)
    static[0].save = lambda *_, **__: 1 / 0
    with pytest.raises(InputError, match="can't be saved"):
        hold(static)


def test_a_cross_encoder_object_scores_raw_logits_as_its_folder_does(tmp_path):
    folder = write_cross_encoder(tmp_path / "ce")
    model = CrossEncoder(folder, device="cpu")
    pairs = [(a, b) for a in TEXTS for b in TEXTS]
    name = hold(model)
    (scorer,) = load_scorers(name)
    expected = model.predict(pairs, activation_fn=torch.nn.Identity())
    np.testing.assert_allclose(scorer.score(pairs), expected, rtol=1e-5)
    np.testing.assert_allclose(
        PairScorer(resolve(folder), device="cpu", dtype="float32").score(pairs), expected, rtol=1e-5
    )
    assert type(model.activation_fn).__name__ == "Sigmoid"  # the user's own is left alone
    assert find_reference(name).identity() == {"model": "tiny", "revision": resolve(name).revision}
    assert hold(model) == name


def test_a_cross_encoder_object_is_held_against_float32_by_a_copy(tmp_path):
    model = CrossEncoder(write_cross_encoder(tmp_path / "ce"), device="cpu").bfloat16()
    pairs = [(a, b) for a in TEXTS for b in TEXTS]
    name = hold(model)
    (own,), (exact,) = load_scorers(name), load_scorers(name, "fp32")
    assert (own.dtype, exact.dtype) == ("bfloat16", "float32")
    assert 0 < np.abs(own.score(pairs) - exact.score(pairs)).max() < 0.5
    assert next(model.parameters()).dtype == torch.bfloat16
    assert hold(model) == name
