"""A corpus's embeddings on disk: memory-mapped shards that a killed run goes on from, losing at most one batch."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pyarrow.parquet
from numpy.typing import NDArray

from hnhub.encode.encoder import Encoder
from hnhub.errors import HnhubError
from hnhub.progress import count, report
from hnhub.records import contents
from hnhub.stages import content_sha256, fingerprint, fsync, waiting_lock

__all__ = ["Embeddings", "embed_documents", "embed_shard", "shard_count"]

_ROWS = 8192
"""Documents in a shard; within one, texts of similar length share a batch."""


@dataclass(frozen=True)
class Embeddings:
    """The vectors of a corpus, in the order of its documents."""

    folder: Path
    rows: int
    dimension: int

    def chunks(self) -> Iterator[NDArray[np.floating]]:
        """The shards in order, memory-mapped: [up to 8192, dimension]."""
        for shard in range(-(-self.rows // _ROWS)):
            yield np.load(self.folder / f"{shard:05}.npy", mmap_mode="r")

    def take(self, indices: NDArray[np.integer]) -> NDArray[np.float32]:
        """Some vectors [n, dimension] by document index."""
        found = np.empty((len(indices), self.dimension), dtype=np.float32)
        for shard, chunk in enumerate(self.chunks()):
            here = np.flatnonzero(indices // _ROWS == shard)
            found[here] = chunk[indices[here] - shard * _ROWS]
        return found


def embed_documents(
    encoder: Encoder, documents: Path, parent: Path, *, storage: Literal["float32", "float16"] = "float32"
) -> Embeddings:
    """Encode documents.parquet into a folder below `parent`, or take what is there of it.

    The folder's name is a hash over the encoder (weights, prompts, maximum length, dtype), the documents and the storage, so
    vectors of anything else are never mistaken for these. Each finished batch is written through and noted at once.
    """
    embeddings = _plan(encoder, documents, parent, storage)
    for shard in range(shard_count(documents)):
        embed_shard(encoder, documents, parent, shard, storage=storage)
    return embeddings


def shard_count(documents: Path) -> int:
    """How many shards the embeddings of documents.parquet have."""
    return -(-int(pyarrow.parquet.read_metadata(documents).num_rows) // _ROWS)


def embed_shard(
    encoder: Encoder, documents: Path, parent: Path, shard: int, *, storage: Literal["float32", "float16"] = "float32"
) -> Embeddings:
    """Make one shard as `embed_documents` does, unless it is there; returns the whole, of which others may be missing."""
    embeddings = _plan(encoder, documents, parent, storage)
    path = embeddings.folder / f"{shard:05}.npy"
    # Several processes may want the same shard: one makes it, the others wait. It gets its name when it is whole.
    with waiting_lock(embeddings.folder, path.stem):
        if path.exists():
            return embeddings
        rows = pl.scan_parquet(documents).slice(shard * _ROWS, _ROWS).select("title", "text").collect()
        texts = [contents(title or "", text or "") for title, text in rows.iter_rows()]
        _encode_shard(encoder, texts, path, storage, (shard * _ROWS, embeddings.rows))
    return embeddings


def _plan(encoder: Encoder, documents: Path, parent: Path, storage: str) -> Embeddings:
    content = content_sha256(documents)
    folder = parent / f"embeddings-{fingerprint({**encoder.identity(), 'documents': content, 'storage': storage})[:32]}"
    folder.mkdir(parents=True, exist_ok=True)
    return Embeddings(folder, int(pyarrow.parquet.read_metadata(documents).num_rows), encoder.dimension)


def _encode_shard(encoder: Encoder, texts: list[str], path: Path, storage: str, progress: tuple[int, int]) -> None:
    part, note = path.with_suffix(".part.npy"), path.with_suffix(".done")
    batches = encoder.batches(texts)
    shape = (len(texts), encoder.dimension)
    # Batches are noted by number: the plan depends on the texts alone, so it is the same after a restart.
    done = _noted(note, len(batches)) if part.exists() else set()
    vectors = np.lib.format.open_memmap(part, mode="r+" if done else "w+", dtype=storage, shape=None if done else shape)
    with note.open("ab" if done else "wb") as noted:
        encoded = progress[0] + sum(len(batches[number].rows) for number in done)
        report("encoding documents", encoded, progress[1], unit="texts")
        for number, (rows, tokens) in enumerate(batches):
            if number in done:
                continue
            found = encoder.encode_batch([texts[i] for i in rows])
            if not np.isfinite(found).all():
                raise HnhubError(
                    f"model {encoder.ref.name}: gives vectors that are not numbers", do="use another model or dtype"
                )
            vectors[rows] = found
            vectors.flush()
            noted.write(b"%d\n" % number)
            noted.flush()
            encoded += len(rows)
            count(tokens=tokens)
            report("encoding documents", encoded, progress[1], unit="texts")
    del vectors
    fsync(part)
    part.replace(path)
    fsync(path.parent)
    note.unlink()


def _noted(note: Path, batches: int) -> set[int]:
    """The batches that are noted as done. What a kill left of the last line is cut off: the next number would be written behind it."""
    found: set[int] = set()
    if not note.exists():
        return found
    whole = 0
    for line in note.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n") or not line[:-1].isdigit() or int(line) >= batches:
            break
        found.add(int(line))
        whole += len(line)
    os.truncate(note, whole)
    return found
