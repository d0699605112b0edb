"""A cross-encoder in 8 bits scores as in float32, nearly; where that would be slow or can't be, it is refused."""

import builtins
from pathlib import Path

import numpy as np
import pytest
import torch

from hnhub.encode.models import hold, resolve
from hnhub.errors import MissingExtra, UsageError
from hnhub.score import scorers
from hnhub.score.eight_bits import need_vnni
from hnhub.score.pair_scorer import PairScorer
from small_models import minilm

HAS = torch.cpu.get_capabilities()
vnni = pytest.mark.skipif(not (HAS.get("avx512_vnni") or HAS.get("avx_vnni")), reason="no units for products of bytes")
PAIRS = [("what is a fox", "the fox is red"), ("a", "it rains " * 20), ("sky", "blue"), ("why", "because of that")]


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cross-encoder whose layers are wide enough for a group of activations."""
    from sentence_transformers import CrossEncoder
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, set_seed

    folder: Path = tmp_path_factory.mktemp("narrow")
    set_seed(0)
    config = BertConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=256, max_position_embeddings=64, num_labels=1
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder / "plain")
    AutoTokenizer.from_pretrained(minilm(), model_max_length=64).save_pretrained(folder / "plain")
    CrossEncoder(str(folder / "plain"), device="cpu").save_pretrained(str(folder / "model"), create_model_card=False)
    return str(folder / "model")


@vnni
def test_scores_are_near_float32_and_the_same_in_any_company(narrow: str) -> None:
    pytest.importorskip("openvino")
    exact = PairScorer(resolve(narrow), device="cpu", dtype="float32").score(PAIRS)
    scorer = PairScorer(resolve(narrow), device="cpu", dtype="int8")
    assert scorer.dtype == "int8"
    scores = scorer.score(PAIRS)
    assert 0 < np.abs(scores - exact).max() < 0.02 * np.abs(exact).max()
    assert np.allclose(scores, [scorer.score([pair])[0] for pair in PAIRS], atol=1e-3)


@vnni
def test_an_object_stays_as_it_is(narrow: str) -> None:
    pytest.importorskip("openvino")
    from sentence_transformers import CrossEncoder

    given = CrossEncoder(narrow, device="cpu")
    forward = given.model.forward
    scorer = PairScorer(resolve(hold(given)), device="its own", dtype="int8")
    exact = given.predict(PAIRS, activation_fn=torch.nn.Identity(), show_progress_bar=False)
    assert given.model.forward == forward
    assert 0 < np.abs(scorer.score(PAIRS) - exact).max() < 0.02 * np.abs(exact).max()


def test_refused_without_units_extra_or_cross_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="cuda:0 has no units for products of bytes"):
        need_vnni("cuda:0")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    with pytest.raises(UsageError, match="slower than fp32"):
        need_vnni("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx_vnni": True})
    plain = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name == "openvino":
            raise ImportError(name)
        return plain(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"hnhub\[int8\]"):
        need_vnni("cpu")


def test_query_likelihood_has_no_eight_bits() -> None:
    with pytest.raises(UsageError, match="`local` is no cross-encoder"):
        scorers._load("local", resolve(minilm()), "cpu", "int8")
