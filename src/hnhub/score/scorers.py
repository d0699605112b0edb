"""What scores a query and a document together: any CrossEncoder, or `local`.

`local` is query likelihood under the embedded language model (`_query_likelihood`), for machines without the Hub. Scores are
raw (logits or log-probabilities, often negative).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hnhub.encode.batches import Batch
from hnhub.encode.devices import Dtype, chosen_dtype, devices
from hnhub.encode.models import ModelRef, held, need_torch, resolve
from hnhub.errors import HnhubError, UsageError
from hnhub.progress import count
from hnhub.records import Precision
from hnhub.score.journal import ScoreJournal, pair_key
from hnhub.stages import file_sha256

__all__ = ["Scorer", "find_reference", "load_scorers", "score_pairs"]


class Scorer(Protocol):
    """Scores pairs of texts."""

    @property
    def dtype(self) -> Dtype:
        """What the body computes in."""
        ...

    @property
    def weight_bytes(self) -> int:
        """Memory that the weights take."""
        ...

    def batches(self, pairs: Sequence[tuple[str, str]], budget: int) -> list[Batch]:
        """Cut the pairs into batches of about `budget` tokens; depends on nothing but the pairs."""
        ...

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Scores [n] of a batch, higher is more relevant."""
        ...


def find_reference(cross_encoder: str) -> ModelRef:
    """Name and revision, without loading it.

    Raises InputError if there is no such model, MissingExtra if `local` has no weights or no torch, ServiceError if the Hub is
    needed and doesn't answer.
    """
    if cross_encoder != "local":
        return resolve(cross_encoder)
    need_torch("scoring with `local`")
    from hnhub.llm.embedded import source_path

    path = source_path()
    return ModelRef(path.stem, f"sha256:{file_sha256(path)[:16]}", str(path))


def load_scorers(cross_encoder: str, precision: Precision = "auto") -> tuple[Scorer, ...]:
    """One scorer for every device, loaded once in a process; for an object one.

    Raises as `find_reference`, and MissingExtra.
    """
    return _loaded(cross_encoder, find_reference(cross_encoder), precision)


@lru_cache(2)  # with one to compare it with
def _loaded(cross_encoder: str, reference: ModelRef, precision: Precision) -> tuple[Scorer, ...]:
    places = devices() if held(reference.source) is None else ["its own"]  # an object stays where it is
    return tuple(_load(cross_encoder, reference, device, chosen_dtype(precision)) for device in places)


def score_pairs(
    pairs: Sequence[tuple[str, str]],
    scorers: Sequence[Scorer],
    journal: ScoreJournal,
    budget: int,
    progress: Callable[[float], None],
) -> list[float]:
    """Scores of the pairs, each distinct one scored once, by all scorers side by side; those in the journal are taken from it.

    `budget` is the tokens of a batch; `progress` is told the share that is done. Raises HnhubError for a score that is no number.
    """
    keys = [pair_key(query, text) for query, text in pairs]
    distinct = dict(zip(keys, pairs, strict=True))
    texts, names = list(distinct.values()), list(distinct)
    batches = scorers[0].batches(texts, budget)
    todo = [batch for batch in batches if not all(names[i] in journal for i in batch.rows)]
    done = len(batches) - len(todo)
    progress(done / max(1, len(batches)))

    def work(scorer: Scorer, mine: Sequence[Batch]) -> None:
        nonlocal done
        for rows, tokens in mine:
            scores = scorer.score([texts[i] for i in rows])
            if not np.isfinite(scores).all():
                bad = texts[int(rows[int(np.argmin(np.isfinite(scores)))])]
                raise HnhubError(f"the score of query {bad[0][:60]!r} is not a number", do="use another model or dtype")
            journal.add({names[i]: float(score) for i, score in zip(rows, scores, strict=True)})
            done += 1
            count(tokens=tokens)
            progress(done / len(batches))

    if len(scorers) == 1:
        work(scorers[0], todo)
    else:
        with ThreadPoolExecutor(len(scorers)) as pool:
            shares = [todo[index :: len(scorers)] for index in range(len(scorers))]
            heard = [copy_context() for _ in scorers]  # in a thread of its own nobody would hear of it
            list(pool.map(lambda context, *given: context.run(work, *given), heard, scorers, shares))
    return [journal[key] for key in keys]


def _load(cross_encoder: str, reference: ModelRef, device: str, dtype: Dtype | None) -> Scorer:
    if cross_encoder == "local":
        if dtype == "int8":
            raise UsageError("--precision int8: `local` is no cross-encoder", do="take fp32 or auto")
        from hnhub.score.query_likelihood import QueryLikelihood

        return QueryLikelihood(Path(reference.source), device=device, dtype=dtype)
    from hnhub.score.pair_scorer import PairScorer

    return PairScorer(reference, device=device, dtype=dtype)
