"""Short measurements on this machine, for `hnhub plan`: a few seconds each, on one device, and nothing is downloaded."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hnhub.bm25.open import index_texts
from hnhub.encode.devices import devices, token_budget
from hnhub.encode.models import local_folder
from hnhub.encode.presets import find_preset
from hnhub.errors import InputError
from hnhub.records import BM25Settings
from hnhub.score.scorers import load_scorers

__all__ = ["SIZES", "BM25Speed", "DenseSpeed", "PairSpeed", "bm25_speed", "dense_speed", "pair_speed"]

_SECONDS = 3.0
"""A measurement stops after the batch that passes this."""
_BATCHES = 8
_PAIRS = 512
SIZES = (20_000, 80_000)
"""Documents that BM25 is measured on. A search costs something for itself, so its cost is not proportional to the corpus."""
_TILE = 2048


@dataclass(frozen=True)
class BM25Speed:
    """Seconds on one core."""

    document: float
    """To index one."""
    query: float
    """To search for one, whatever the corpus."""
    product: float
    """And on top for every document that there is."""


@dataclass(frozen=True)
class DenseSpeed:
    """Seconds on one device."""

    document: float
    """To encode one."""
    query: float
    """To encode one."""
    product: float
    """To hold one document against one query."""
    dimension: int
    weight_bytes: int
    measured: int
    """Documents that were encoded."""


@dataclass(frozen=True)
class PairSpeed:
    """Seconds on one device."""

    pair: float
    """To score one."""
    weight_bytes: int
    measured: int
    """Pairs that were scored."""


def bm25_speed(sample: Sequence[str], settings: BM25Settings) -> BM25Speed:
    """Index the sample, repeated to two sizes, and search it for queries made of some of its texts."""
    queries = _queries(sample[:200])
    index_texts(sample[:10], settings, threads=1).search(queries[:1], 10)  # compile, or load what was compiled
    searches, document = [], 0.0
    for size in SIZES:
        texts = [sample[at % len(sample)] for at in range(size)]
        start = time.perf_counter()
        index = index_texts(texts, settings, threads=1)
        indexed = time.perf_counter()
        index.search(queries, 100)
        document = (indexed - start) / size  # the larger's: what is done once weighs less
        searches.append((time.perf_counter() - indexed) / len(queries))
    product = max(0.0, searches[1] - searches[0]) / (SIZES[1] - SIZES[0])
    return BM25Speed(document, max(0.0, searches[0] - SIZES[0] * product), product)


def dense_speed(model: str, sample: Sequence[str]) -> DenseSpeed:
    """Encode some of the sample. Raises InputError if the model does not lie on this machine, and as `Encoder`."""
    from hnhub.encode.encoder import Encoder
    from hnhub.encode.topk import top_k

    encoder = Encoder(_here(model), preset=find_preset(model).name)
    batches = [batch.rows for batch in encoder.batches(sample, _budget(encoder.device))]
    document, measured = _time(batches, lambda batch: encoder.encode_batch([sample[i] for i in batch]))
    queries = _queries(sample[:64])
    encoder.encode_queries(queries[:2])
    start = time.perf_counter()
    vectors = encoder.encode_queries(queries)
    query = (time.perf_counter() - start) / len(queries)
    tile = np.resize(vectors, (_TILE, encoder.dimension))
    top_k(vectors[:1], [tile], 10, device=encoder.device)
    start = time.perf_counter()
    top_k(vectors, [tile], 100, device=encoder.device)
    product = (time.perf_counter() - start) / (len(vectors) * _TILE)
    return DenseSpeed(document, query, product, encoder.dimension, encoder.weight_bytes, measured)


def pair_speed(cross_encoder: str, sample: Sequence[str]) -> PairSpeed:
    """Score some passages of the sample. Raises InputError if the model does not lie here, and as `load_scorers`."""
    scorer = load_scorers(cross_encoder if cross_encoder == "local" else _here(cross_encoder))[0]
    passages = sample[:_PAIRS]
    queries = _queries(passages)
    pairs = [(queries[i - 1], passage) for i, passage in enumerate(passages)]
    batches = [batch.rows for batch in scorer.batches(pairs, _budget(devices()[0]))]
    pair, measured = _time(batches, lambda batch: scorer.score([pairs[i] for i in batch]))
    return PairSpeed(pair, scorer.weight_bytes, measured)


def _queries(texts: Sequence[str]) -> list[str]:
    """Ten words of each text."""
    return [" ".join(text.split()[:10]) for text in texts]


def _here(model: str) -> str:
    folder = local_folder(model)
    if folder is None:
        raise InputError(f"{model} is not on this machine", do="a build downloads it")
    return str(folder)


def _budget(device: str) -> int:
    # A quarter on a CPU: a whole batch of a large model takes it half a minute.
    return token_budget(device) // (1 if device.startswith("cuda") else 4)


def _time(batches: Sequence[NDArray[np.intp]], run: Callable[[NDArray[np.intp]], object]) -> tuple[float, int]:
    """Seconds an item, from batches spread over all lengths, and how many items they hold.

    Batches have about as many tokens each, not items, so the mean is one of batches.
    """
    run(batches[-1][:1])  # the first call makes what the later ones have
    start = time.perf_counter()
    measured = done = 0
    for batch in batches[:: max(1, len(batches) // _BATCHES)]:
        run(batch)
        measured, done = measured + len(batch), done + 1
        seconds = time.perf_counter() - start
        if seconds > _SECONDS:
            break
    return seconds / done * len(batches) / sum(map(len, batches)), measured
