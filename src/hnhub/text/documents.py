"""Documents' texts by id, in any order, without holding a corpus in memory."""

import mmap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hnhub.errors import InputError
from hnhub.records import contents

__all__ = ["Positions", "Texts", "wanted_ids"]

_BATCH = 2048


def wanted_ids(columns: Iterable[pl.LazyFrame]) -> pl.Series:
    """The distinct ids (strings, ascending) of frames whose only column is `document_id`; nulls are left out."""
    ids = pl.concat([column.select("document_id").unique() for column in columns])
    return ids.drop_nulls().unique().sort("document_id").collect(engine="streaming")["document_id"]


class Positions:
    """The position of each of many distinct ids. 16 bytes an id beside the ids; a look-up takes the logarithm of their number.

    (Casting to a `polars.Enum` does the same, but each cast takes time in proportion to the number of categories.)
    """

    def __init__(self, ids: pl.Series) -> None:
        self._ids = ids
        self._seed = 0
        while True:
            hashes = ids.hash(self._seed).to_numpy()
            self._order = np.argsort(hashes, kind="stable")
            self._hashes = hashes[self._order]
            if not (self._hashes[1:] == self._hashes[:-1]).any():
                return
            self._seed += 1  # two ids share a hash: once in a blue moon

    def find(self, ids: pl.Series) -> NDArray[np.int64]:
        """The positions of these ids, -1 for null and for what is not among them."""
        if not len(self._ids):
            return np.full(len(ids), -1, dtype=np.int64)
        at = np.searchsorted(self._hashes, ids.hash(self._seed).to_numpy()).clip(max=len(self._hashes) - 1)
        found = self._order[at]
        return np.where((self._ids.gather(found) == ids).fill_null(value=False).to_numpy(), found, -1)


class Texts:
    """The contents of some documents, in a file in `folder` that is mapped, not read.

    Only the wanted ids and some 40 bytes a document are held in memory. The caller removes `folder`. Raises InputError if
    `documents` lacks a wanted id, unless some may be `lacking`.
    """

    def __init__(self, documents: Path, wanted: pl.Series, folder: Path, *, lacking: bool = False) -> None:
        self._positions = Positions(wanted)
        self._slots = np.full(len(wanted), -1, dtype=np.int64)
        lengths: list[NDArray[np.int64]] = [np.zeros(1, dtype=np.int64)]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "texts.bin"
        count = 0
        with path.open("wb") as file:
            columns = ["document_id", "title", "text"]
            for batch in pq.ParquetFile(documents, pre_buffer=False).iter_batches(_BATCH, columns=columns):
                codes = self._positions.find(pl.Series(batch.column("document_id"), dtype=pl.String))
                kept = np.flatnonzero(codes >= 0)
                if not len(kept):
                    continue
                rows = batch.take(pa.array(kept))
                texts = map(contents, rows.column("title").to_pylist(), rows.column("text").to_pylist())
                encoded = [text.encode() for text in texts]
                file.write(b"".join(encoded))
                lengths.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
                self._slots[codes[kept]] = np.arange(count, count + len(kept))
                count += len(kept)
        if len(missing := np.flatnonzero(self._slots < 0)) and not lacking:
            raise InputError(
                f"{documents}: has no document {wanted[int(missing[0])]!r} ({len(missing)} such ids are named by queries or negatives)",
                do="build the queries and negatives again from this corpus",
            )
        self._mapped: mmap.mmap | None = None
        if path.stat().st_size:  # an empty file can't be mapped
            with path.open("rb") as file:
                self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        offsets = pa.py_buffer(np.cumsum(np.concatenate(lengths)))
        self._texts = pa.LargeStringArray.from_buffers(count, offsets, pa.py_buffer(self._mapped or b""))

    def gather(self, ids: pl.Series) -> pl.Series:
        """The contents of each document, null where the id is null or the document lacking. The ids are among the wanted ones."""
        codes = self._positions.find(ids)
        slots = np.where(codes < 0, -1, self._slots[codes] if len(self._slots) else codes)
        found = self._texts.take(pa.array(slots, mask=slots < 0))
        if self._mapped:  # pages that were read count as this process's memory until they are given back
            self._mapped.madvise(mmap.MADV_DONTNEED)
        return pl.Series("text", found, dtype=pl.String)

    def of(self, ids: pl.Series) -> dict[str, str]:
        """Document id -> its contents, for those that the corpus has."""
        distinct = ids.drop_nulls().unique()
        pairs = zip(distinct.to_list(), self.gather(distinct).to_list(), strict=True)
        return {document_id: text for document_id, text in pairs if text is not None}
