"""A device whose memory runs out: every vector and score all the same, or one clear error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import small_models
from hnhub.encode.encoder import Encoder
from hnhub.encode.memory import halving
from hnhub.errors import HnhubError

TEXTS = [f"text number {n} of some" for n in range(11)]


def short_of_memory(rows: int) -> Any:
    def hook(_: Any, inputs: tuple[Any, ...]) -> None:
        if len(inputs[0]["input_ids"]) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    return hook


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(small_models.tiny_bert(tmp_path / "model"))


def test_a_batch_is_halved_until_it_fits(model: str, caplog: pytest.LogCaptureFixture) -> None:
    encoder = Encoder(model, dtype="float32")
    whole = encoder.encode_documents(TEXTS)
    handle = encoder._model[0].register_forward_pre_hook(short_of_memory(2))
    assert np.allclose(encoder.encode_documents(TEXTS), whole, atol=1e-6)
    assert "going on with 6 at a time" in caplog.text
    handle.remove()
    encoder._model[0].register_forward_pre_hook(short_of_memory(0))
    with pytest.raises(HnhubError, match="a single text does not fit"):
        encoder.encode_documents(TEXTS)


def test_other_errors_pass() -> None:
    def broken(_: Any) -> Any:
        raise RuntimeError("no kernel")

    with pytest.raises(RuntimeError, match="no kernel"):
        halving(broken, TEXTS)
