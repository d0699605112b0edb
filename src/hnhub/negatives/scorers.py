"""What scores a query and a document together: any CrossEncoder, or `local`.

`local` is query likelihood under the embedded language model (`_query_likelihood`), for machines without the Hub. Scores are
raw (logits or log-probabilities, often negative).
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hnhub.encode.devices import Dtype, devices
from hnhub.encode.models import ModelRef, resolve
from hnhub.stages import file_sha256

__all__ = ["Scorer", "find_reference", "load_scorers"]


class Scorer(Protocol):
    """Scores pairs of texts."""

    @property
    def dtype(self) -> Dtype:
        """What the body computes in."""
        ...

    def batches(self, pairs: Sequence[tuple[str, str]], budget: int) -> list[NDArray[np.intp]]:
        """Cut the pairs' indices into batches of about `budget` tokens; depends on nothing but the pairs."""
        ...

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Scores [n] of a batch, higher is more relevant."""
        ...


def find_reference(cross_encoder: str) -> ModelRef:
    """Name and revision, without loading it.

    Raises InputError if there is no such model, MissingExtra if `local` has no weights, ServiceError if the Hub is needed
    and doesn't answer.
    """
    if cross_encoder != "local":
        return resolve(cross_encoder)
    from hnhub.llm.embedded import source_path

    path = source_path()
    return ModelRef(path.stem, f"sha256:{file_sha256(path)[:16]}", str(path))


@lru_cache(1)
def load_scorers(cross_encoder: str) -> tuple[Scorer, ...]:
    """One scorer for every device, loaded once in a process. Raises as `find_reference`, and MissingExtra without torch."""
    reference = find_reference(cross_encoder)
    return tuple(_load(cross_encoder, reference, device) for device in devices())


def _load(cross_encoder: str, reference: ModelRef, device: str) -> Scorer:
    if cross_encoder == "local":
        from hnhub.negatives._query_likelihood import QueryLikelihood

        return QueryLikelihood(Path(reference.source), device=device)
    from hnhub.negatives._pair_scorer import PairScorer

    return PairScorer(reference, device=device)
