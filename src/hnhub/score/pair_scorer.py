"""Any sentence-transformers CrossEncoder as a scorer of pairs: raw logits, in batches by a token budget."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hnhub.encode.batches import Batch, planned, token_lengths
from hnhub.encode.devices import Dtype, body_dtype, dtype_of
from hnhub.encode.memory import halving
from hnhub.encode.models import ModelRef, held, quiet_loading
from hnhub.errors import InputError, MissingExtra
from hnhub.score.eight_bits import in_eight_bits, need_vnni

__all__ = ["PairScorer"]


class PairScorer:
    """Scores (query, document) pairs by a cross-encoder's single logit, without the sigmoid that flattens its ends.

    An object (`encode.models.hold`) is used as it is, on its own device and in its own dtype; where another dtype is asked for, a
    copy of it.
    """

    def __init__(self, ref: ModelRef, *, device: str, dtype: Dtype | None = None) -> None:
        try:
            from sentence_transformers import CrossEncoder
        except ImportError as error:
            raise MissingExtra("sentence-transformers", extra="models") from error
        import torch

        self._logits = torch.nn.Identity()
        given = held(ref.source)
        self.dtype: Dtype = dtype or (body_dtype(device) if given is None else dtype_of(given))
        stored = getattr(torch, "float32" if self.dtype == "int8" else self.dtype)
        if self.dtype == "int8":
            need_vnni(device if given is None else str(given.device))
        if given is None:
            with quiet_loading():
                self._model: Any = CrossEncoder(
                    ref.source,
                    revision=ref.hub_revision,
                    device=device,
                    model_kwargs={"dtype": stored},
                )
        elif self.dtype == dtype_of(given):
            self._model = given
        else:
            self._model = copy.deepcopy(given).to(stored)
        if self._model.num_labels != 1:
            raise InputError(
                f"cross-encoder {ref.name}: gives {self._model.num_labels} labels a pair, not one score",
                do="give a model with one output, such as a reranker",
            )
        if self.dtype == "int8":
            example = self._model.tokenizer([("a query", "a passage")], return_tensors="pt")
            self._model.model.forward = in_eight_bits(self._model.model.eval(), example, torch.get_num_threads())
        elif self._model is not given and self.dtype != "float32":
            _keep_head_in_float32(self._model.model)

    @property
    def weight_bytes(self) -> int:
        """Memory that the weights take."""
        return sum(weights.numel() * weights.element_size() for weights in self._model.parameters())

    def batches(self, pairs: Sequence[tuple[str, str]], budget: int) -> list[Batch]:
        """Pairs of similar length together, whichever query they belong to."""
        return planned(token_lengths(self._model, pairs), budget)

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Logits [n]."""

        def batch(part: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
            scores = self._model.predict(
                list(part), batch_size=len(part), show_progress_bar=False, activation_fn=self._logits
            )
            return np.asarray(scores, dtype=np.float64)

        return halving(batch, pairs)


def _keep_head_in_float32(model: Any) -> None:
    # A logit in bfloat16 has 8 bits: candidates would tie that do not.
    for name in ("classifier", "score"):
        head = getattr(model, name, None)
        if head is not None:
            head.float()
            head.register_forward_pre_hook(lambda _, inputs: tuple(value.float() for value in inputs))
