"""A bi-encoder: texts to vectors, the same as sentence-transformers gives, with less padding and less work."""

import copy
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hnhub.encode.agreement import least_cosine, neighbours_kept
from hnhub.encode.batches import Batch, longest, planned, token_lengths
from hnhub.encode.devices import Dtype, body_dtype, devices, dtype_of, token_budget
from hnhub.encode.memory import halving
from hnhub.encode.models import ModelRef, held, quiet_loading, resolve
from hnhub.encode.presets import choose_prompts, find_preset
from hnhub.errors import HnhubError, InputError, MissingExtra, UsageError
from hnhub.progress import count, report

__all__ = ["Encoder"]

log = logging.getLogger(__name__)

_SAMPLE = 64
_STATIC = 64
# A table of vectors multiplies no matrices: its batches may be so many times larger.


class Encoder:
    """Any sentence-transformers model, with the prompts given, else its own, else its family's preset.

    The transformer's body runs in bfloat16 where the device gains from it; pooling and what follows run in float32 (pooled in
    bfloat16, MiniLM's vectors keep a cosine of .9965 to float32's; pooled in float32, .9999). Vectors of models that
    compare by cosine are normalised, so that a dot product is their similarity.
    """

    def __init__(
        self,
        model: str,
        *,
        preset: str | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        max_length: int | None = None,
        device: str | None = None,
        dtype: Dtype | None = None,
    ) -> None:
        """Load `model` (an id on the Hub or a folder), or take the object of that name (`encode.models.hold`).

        None means: the preset that its name matches, the model's own prompts (or the preset's, where it has none) and maximum
        length, the first GPU or the CPU, what suits the device. Static embeddings have no maximum length, so none is set.
        An object stays as it is: its device, dtype, maximum length and prompts, without a preset unless one is named.
        Raises InputError if there is no such model or it compares otherwise than by cosine or dot product, UsageError if there
        is no such preset, MissingExtra without sentence-transformers, ServiceError if the Hub is needed and doesn't answer.
        """
        self.ref: ModelRef = resolve(model)
        given = held(model)
        known = find_preset(self.ref.name if given is None else model, preset)
        self._max_length = max_length
        if given is None:
            self.device = device or devices()[0]
            self.dtype: Dtype = dtype or body_dtype(self.device)
            self._model = self._load()
        else:
            self.device = str(given.device)
            self.dtype = dtype_of(given)
            self._model = self._given(given, dtype)
        if self._model.similarity_fn_name not in ("cosine", "dot"):
            raise InputError(
                f"model {self.ref.name}: compares by {self._model.similarity_fn_name}",
                do="give a model that compares by cosine or dot product",
            )
        self.query_prompt, self.document_prompt = choose_prompts(
            self._model.prompts, known, query=query_prompt, document=document_prompt
        )
        if given is None and self.dtype == "bfloat16":
            self._lower_body()

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        size = getattr(self._model, "get_embedding_dimension", None) or self._model.get_sentence_embedding_dimension
        return int(size())

    def identity(self) -> dict[str, Any]:
        """What the vectors depend on besides the texts: for keys and facts."""
        return {
            **self.ref.identity(),
            "query_prompt": self.query_prompt,
            "document_prompt": self.document_prompt,
            "max_length": longest(self._model),
            "dtype": self.dtype,
        }

    @property
    def weight_bytes(self) -> int:
        """Memory that the weights take."""
        return sum(weights.numel() * weights.element_size() for weights in self._model.parameters())

    def batches(self, texts: Sequence[str], budget: int | None = None) -> list[Batch]:
        """How documents are cut into batches of `budget` tokens (None: the device's); depends on nothing else but the texts."""
        own = token_budget(self.device) * (_STATIC if _is_static(self._model) else 1)
        return planned(token_lengths(self._model, texts), budget or own)

    def encode_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, dimension] of documents that fit into one batch."""
        return self._encode(texts, self.document_prompt, self._model.encode_document)

    def encode_documents(self, texts: Sequence[str], *, what: str = "encoding documents") -> NDArray[np.float32]:
        """Vectors [n, dimension] in the order of the texts; `what` is how it is told."""
        return self._encode_all(texts, self.encode_batch, what)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, dimension] in the order of the texts."""
        return self._encode_all(
            texts, lambda part: self._encode(part, self.query_prompt, self._model.encode_query), "encoding queries"
        )

    def agreement(self, texts: Sequence[str]) -> dict[str, float]:
        """With the same model in float32, over the first 64 texts; all 1 in float32.

        `least_cosine_to_float32` of their vectors, and `neighbours_kept`: the share of each one's ten nearest (or half of
        all, where they are few) that stay so.
        """
        sample = texts[:_SAMPLE]
        if self.dtype == "float32" or len(sample) < 3:
            return {"least_cosine_to_float32": 1.0, "neighbours_kept": 1.0}
        exact = Encoder(
            self.ref.source,
            query_prompt=self.query_prompt,
            document_prompt=self.document_prompt,
            max_length=self._max_length,
            device=self.device,
            dtype="float32",
        )
        ours, theirs = (one.encode_documents(sample, what="comparing with float32") for one in (self, exact))
        kept = neighbours_kept(theirs, ours, min(10, len(sample) // 2))
        return {"least_cosine_to_float32": round(least_cosine(theirs, ours), 6), "neighbours_kept": round(kept, 4)}

    def _load(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtra("sentence-transformers", extra="models") from error

        with quiet_loading():
            model = SentenceTransformer(self.ref.source, revision=self.ref.hub_revision, device=self.device)
        if self._max_length is not None and longest(model) is None:
            log.warning("model %s has no maximum length; %d is ignored", self.ref.name, self._max_length)
        elif self._max_length is not None:
            model.max_seq_length = self._max_length
        # Some are stored in float16, which CPUs compute slowly and pooling rounds in.
        return model.float().eval()

    def _given(self, model: Any, dtype: Dtype | None) -> Any:
        """The object itself; where another dtype is asked for, a copy of it."""
        if self._max_length not in (None, longest(model)):
            raise UsageError(
                f"model {self.ref.name}: is an object, which is used as it is",
                do="set its max_seq_length yourself instead of giving a maximum length",
            )
        if dtype in (None, self.dtype):
            return model
        assert dtype
        self.dtype = dtype
        return copy.deepcopy(model).float() if dtype == "float32" else copy.deepcopy(model).bfloat16()

    def _lower_body(self) -> None:
        import torch

        body = self._model[0]
        if type(body).__name__ != "Transformer":  # e.g. static embeddings: a table look-up gains nothing
            self.dtype = "float32"
            return
        body.to(torch.bfloat16)
        body.register_forward_hook(_raise_to_float32)

    def _encode(self, texts: Sequence[str], prompt: str, encode: Callable[..., Any]) -> NDArray[np.float32]:
        def batch(part: Sequence[str]) -> NDArray[np.float32]:
            vectors = encode(
                list(part),
                prompt=prompt,
                batch_size=len(part),
                show_progress_bar=False,
                normalize_embeddings=self._model.similarity_fn_name == "cosine",
            )
            return np.asarray(vectors, dtype=np.float32)

        return halving(batch, texts)

    def _encode_all(
        self, texts: Sequence[str], encode: Callable[[Sequence[str]], NDArray[np.float32]], what: str
    ) -> NDArray[np.float32]:
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        done = 0
        for rows, tokens in self.batches(texts):
            vectors[rows] = encode([texts[i] for i in rows])
            done += len(rows)
            count(tokens=tokens)
            report(what, done, len(texts), unit="texts")
        if not np.isfinite(vectors).all():
            raise HnhubError(
                f"model {self.ref.name}: gives vectors that are not numbers", do="use another dtype or model"
            )
        return vectors


def _raise_to_float32(_: Any, __: Any, features: dict[str, Any]) -> dict[str, Any]:
    import torch

    return {
        name: value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for name, value in features.items()
    }


def _is_static(model: Any) -> bool:
    """Whether a text's vector is the mean of its tokens' vectors, out of a table."""
    return type(next(iter(model))).__name__ == "StaticEmbedding"
