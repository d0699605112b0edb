"""BM25 indexes over a corpus's documents, kept and reused, or over texts in memory."""

import importlib.metadata
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hnhub.bm25.languages import in_language
from hnhub.errors import InputError, MissingExtra
from hnhub.records import BM25Settings
from hnhub.stages import content_sha256, fingerprint, finished, run_stage, waiting_lock

if TYPE_CHECKING:
    from hnhub.bm25.index import Index

__all__ = ["BM25Index", "identity", "index_texts", "open_index"]

log = logging.getLogger(__name__)

_ENGINE_VERSION = 2
"""Goes up when the same documents and settings would give another index."""
_RECORD = "index.json"
_CHUNK_ROWS = 2048
_KEPT_OPEN = 2
_opened: "dict[Path, tuple[tuple[object, int], BM25Index]]" = {}
"""Indexes that this process has opened: a build opens one once."""


class BM25Index(Protocol):
    """What an engine's index offers."""

    @property
    def documents(self) -> int:
        """How many documents are indexed."""

    @property
    def document_ids(self) -> pa.ChunkedArray:
        """The documents' ids, by row."""

    def search(self, texts: Sequence[str], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The best `k` documents of each query, best first, ties by document order.

        Returns rows of documents (int32 [queries, k], -1 where fewer score above 0) and scores (float32 [queries, k]).
        """

    def scores(self, texts: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The score of one document (by row; -1 for none) for each query: float32 [queries]."""


def identity(settings: BM25Settings) -> dict[str, Any]:
    """The settings, and a reference engine's version, for a stage's fingerprint.

    Raises MissingExtra if the engine is not installed.
    """
    if settings.engine == "hnhub":
        return settings.as_dict()
    try:
        return {**settings.as_dict(), "version": importlib.metadata.version(settings.engine)}
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingExtra(settings.engine, extra="bench") from error


def open_index(
    documents: Path, folder: Path, settings: BM25Settings | None = None, threads: int | None = None
) -> BM25Index:
    """The index of documents.parquet (schema.DOCUMENTS), made in a subfolder of `folder` unless it is there.

    What is `auto` in the settings is English's. An index is found again by the documents' bytes and the settings. Its files' hashes are checked first; a damaged
    index is made again. Several processes may ask for the same index: one makes it, the others wait.
    Raises InputError if the documents can't be read, MissingExtra if a reference engine is not installed.
    """
    settings = in_language(settings or BM25Settings(), "en")
    threads = threads or _cores()
    if not documents.is_file():
        raise InputError(f"{documents}: no such file", do="make the corpus stage first")
    if settings.engine != "hnhub":
        from hnhub.bm25.reference import reference_index

        return reference_index(documents, settings)
    from hnhub.bm25.index import load_index

    parts = {"engine": _ENGINE_VERSION, "documents": content_sha256(documents), "settings": settings.as_dict()}
    place = folder / fingerprint(parts)[:16]
    if (known := _opened.get(place)) and known[0] == (_state(place), threads):
        return known[1]
    with waiting_lock(folder, place.name):
        if not _is_whole(place, parts):
            run_stage(place, parts, lambda out, _: _make_index(out, documents, settings, threads), record_name=_RECORD)
        index = load_index(place, settings, threads)
    while len(_opened) >= _KEPT_OPEN:
        _opened.pop(next(iter(_opened)))
    _opened[place] = (_state(place), threads), index
    return index


def _state(place: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells that an index's files are as they were."""
    files = sorted(place.iterdir()) if place.is_dir() else []
    return tuple((path.name, (known := path.stat()).st_mtime_ns, known.st_size) for path in files)


def index_texts(texts: Sequence[str], settings: BM25Settings | None = None, threads: int | None = None) -> "Index":
    """An index of texts, in memory; its document ids are the texts' positions. What is `auto` in the settings is English's."""
    from hnhub.bm25.index import Index
    from hnhub.bm25.indexing import index_chunks
    from hnhub.bm25.vocabulary import to_arrow

    settings = in_language(settings or BM25Settings(), "en")
    threads = threads or _cores()
    chunks = (to_arrow(texts[first : first + _CHUNK_ROWS]) for first in range(0, len(texts), _CHUNK_ROWS))
    terms, shards = index_chunks(chunks, settings, lambda _, shard: lambda: shard, threads=threads)
    count = len(texts)
    return Index(settings, terms, list(shards), threads, lambda: pa.chunked_array([pa.array(map(str, range(count)))]))


def _make_index(out: Path, documents: Path, settings: BM25Settings, threads: int) -> dict[str, Any]:
    from hnhub.bm25.documents import read_chunks
    from hnhub.bm25.index import load_shard, save_shard, save_terms
    from hnhub.bm25.indexing import Shard, index_chunks
    from hnhub.bm25.vocabulary import to_arrow

    def keep(number: int, shard: Shard) -> Any:
        save_shard(out, number, shard)
        first_row = shard.first_row
        return lambda: load_shard(out, number, first_row, writable=True)

    log.info("indexing %s", documents)
    chunks = map(to_arrow, read_chunks(documents, out / "document_ids.arrow"))
    terms, shards = index_chunks(chunks, settings, keep, threads=threads)
    save_terms(out, terms)
    count = 0
    postings = 0
    for shard in shards:
        count += shard.documents
        postings += len(shard.rows)
    return {"documents": count, "terms": terms.count, "postings": postings, "settings": settings.as_dict()}


def _is_whole(place: Path, parts: dict[str, Any]) -> bool:
    try:
        record = finished(place, parts, record_name=_RECORD)
    except InputError as error:
        log.warning("%s: indexing again", error.what)
        record = None
    if record is not None and record.fingerprint == fingerprint(parts):
        return True
    shutil.rmtree(place, ignore_errors=True)
    return False


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
