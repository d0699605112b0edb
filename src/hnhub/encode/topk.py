"""Exact nearest documents by dot product, in memory that grows with neither the corpus nor queries x corpus.

Documents pass by in tiles of a fixed size that do not depend on how the embeddings are cut into shards, so scores, and with
them the results, are the same for any chunking. Equal scores are in the order of the documents.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numba
import numpy as np
from numpy.typing import NDArray

from hnhub.progress import report

if TYPE_CHECKING:
    import torch

__all__ = ["top_k"]

_TILE = 2048
_GPU_TILE = 65_536
_BLOCK = 512
"""Queries at a time: a block's scores of a tile are 4 MB on a CPU, 128 MB on a GPU."""


def top_k(
    queries: NDArray[np.floating], chunks: Iterable[NDArray[np.floating]], k: int, *, device: str = "cpu"
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k best documents of each query: indices [q, k] and scores [q, k], best first.

    `queries` is [q, d]; `chunks` are [n_i, d] each, in document order. Where there are fewer than k documents, -1 and -inf.
    Vectors must be finite.
    """
    if device.startswith("cuda"):
        return _search_torch(queries, chunks, k, device, _GPU_TILE)
    block_of = [np.ascontiguousarray(queries[at : at + _BLOCK], np.float32) for at in range(0, len(queries), _BLOCK)]
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    indices = np.full((len(queries), k), -1, dtype=np.int64)
    product = np.empty((min(_BLOCK, len(queries)), _TILE), dtype=np.float32)
    if not k:
        return indices, scores
    for first, tile, valid in _tiles(chunks, _TILE):
        for number, block in enumerate(block_of):
            rows = slice(number * _BLOCK, number * _BLOCK + len(block))
            np.matmul(block, tile.T, out=product[: len(block)])
            _offer(product[: len(block)], first, valid, scores[rows], indices[rows])
        report("searching", first + valid, unit="documents")
    order = np.lexsort((indices, -scores), axis=-1)
    return np.take_along_axis(indices, order, axis=1), np.take_along_axis(scores, order, axis=1)


def _tiles(chunks: Iterable[NDArray[np.floating]], size: int) -> Iterator[tuple[int, NDArray[np.float32], int]]:
    """(index of the first document, [size, d], how many rows are documents); the last tile is filled up with zeros."""
    tile: NDArray[np.float32] | None = None
    first = used = 0
    for chunk in chunks:
        if tile is None:
            tile = np.zeros((size, chunk.shape[1]), dtype=np.float32)
        at = 0
        while at < len(chunk):
            taken = min(size - used, len(chunk) - at)
            tile[used : used + taken] = chunk[at : at + taken]
            used, at = used + taken, at + taken
            if used == size:
                yield first, tile, used
                first, used = first + size, 0
    if tile is not None and used:
        tile[used:] = 0
        yield first, tile, used


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _offer(
    tile: NDArray[np.float32], first: int, valid: int, scores: NDArray[np.float32], indices: NDArray[np.int64]
) -> None:
    """Put a tile's scores [b, t] into each query's heap [b, k], whose root is the worst that it holds."""
    size = scores.shape[1]
    for row in range(tile.shape[0]):
        heap, held = scores[row], indices[row]
        worst = heap[0]
        for column in range(valid):
            score = tile[row, column]
            # Not >=: documents come in order, so an equal score comes too late.
            if score > worst:
                index = first + column
                hole = 0
                while True:
                    child = 2 * hole + 1
                    if child >= size:
                        break
                    right = child + 1
                    if right < size and (
                        heap[right] < heap[child] or (heap[right] == heap[child] and held[right] > held[child])
                    ):
                        child = right
                    # The newest index is the highest: among equal scores it is the worst.
                    if heap[child] >= score:
                        break
                    heap[hole], held[hole] = heap[child], held[child]
                    hole = child
                heap[hole], held[hole] = score, index
                worst = heap[0]


def _search_torch(
    queries: NDArray[np.floating], chunks: Iterable[NDArray[np.floating]], k: int, device: str, size: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The same by torch: score and index in one integer, so that its top-k, which orders ties as it likes, has none."""
    import torch

    blocks = torch.from_numpy(np.ascontiguousarray(queries, np.float32)).to(device).split(_BLOCK)
    best = [torch.empty((len(block), 0), dtype=torch.int64, device=device) for block in blocks]
    for first, tile, valid in _tiles(chunks, size):
        documents = torch.from_numpy(tile).to(device)
        places = 0xFFFFFFFF - torch.arange(first, first + valid, dtype=torch.int64, device=device)
        for number, block in enumerate(blocks):
            # + 0.0 makes -0.0 equal to 0.0.
            bits = ((block @ documents.T)[:, :valid] + 0.0).view(torch.int32)
            keys = (_monotone(bits).to(torch.int64) << 32) | places
            merged = torch.cat([best[number], keys], dim=1)
            best[number] = merged.topk(min(k, merged.shape[1]), dim=1).values
        report("searching", first + valid, unit="documents")
    keys = torch.cat(best) if best else torch.empty((0, 0), dtype=torch.int64)
    found = keys.shape[1]
    indices = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    indices[:, :found] = (0xFFFFFFFF - (keys & 0xFFFFFFFF)).cpu().numpy()
    scores[:, :found] = _monotone((keys >> 32).to(torch.int32)).view(torch.float32).cpu().numpy()
    return indices, scores


def _monotone(bits: "torch.Tensor") -> "torch.Tensor":
    """Bits of a float32 as an int32 that grows with it, and back."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)
