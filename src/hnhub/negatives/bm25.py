"""BM25 candidates: the best documents for every query."""

from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hnhub.bm25.open import BM25Index, open_index
from hnhub.errors import InputError
from hnhub.negatives._parts import make_parts
from hnhub.negatives.mining import Mining
from hnhub.progress import report
from hnhub.records import BM25Settings, Provenance
from hnhub.schema import CANDIDATES, arrow_schema

__all__ = ["make_candidates"]

_QUERY_ROWS = 4096


def make_candidates(out: Path, work: Path, mining: Mining) -> dict[str, Any]:
    """Write `out`/candidates.parquet (schema.CANDIDATES): the best `depth` documents of every query.

    A row's label is 1 if the document is the query's first positive; where that was not among the best, it follows
    them without a rank, with its score. The index is made here, in `mining.indexes`, and opened by whoever makes a part.
    Returns the stage's facts. Raises InputError if a file can't be read or a positive is no document.
    """
    documents, queries, engine = mining.documents, mining.queries, mining.engine
    settings, depth, index_folder = mining.recipe.bm25, mining.recipe.depth, mining.indexes or work
    index = open_index(documents, index_folder, settings, engine.threads)
    _positive_rows(queries, index.document_ids, slice(None))  # refused before work
    search = partial(
        _search,
        documents=documents,
        queries=queries,
        depth=depth,
        settings=settings,
        index_folder=index_folder,
        corpus_revision=mining.corpus_revision,
        threads=engine.worker_threads,
    )
    parts = make_parts(out, work, search, queries=queries, size=_QUERY_ROWS, engine=engine)
    totals = {name: sum(part[name] for part in parts) for name in parts[0]}
    return {"method": "bm25", "documents": index.documents, "depth": depth, "settings": settings.as_dict(), **totals}


@lru_cache(1)
def _opened(documents: Path, changed: int, folder: Path, settings: BM25Settings, threads: int | None) -> BM25Index:
    """Checked and opened once in every process that makes parts."""
    del changed  # only for the cache
    return open_index(documents, folder, settings, threads)


def _search(
    out: Path,
    _: Path,
    part: slice,
    *,
    documents: Path,
    queries: Path,
    depth: int,
    settings: BM25Settings,
    index_folder: Path,
    corpus_revision: str | None,
    threads: int | None,
) -> dict[str, int]:
    index = _opened(documents, documents.stat().st_mtime_ns, index_folder, settings, threads)
    frozen = pl.read_parquet(queries, columns=["query_id", "query"])
    asked = frozen[part]
    texts = asked["query"].to_list()
    positive = _positive_rows(queries, index.document_ids, part)
    report("searching", part.start, len(frozen), unit="queries")
    rows, scores = index.search(texts, depth)
    report("searching", part.start + len(asked), len(frozen), unit="queries")
    retrieved = ((rows == positive[:, None]) & (rows >= 0)).any(axis=1)
    own = index.scores(texts, np.where(retrieved, -1, positive))
    table = _table(
        query_ids=asked["query_id"].to_arrow(compat_level=pl.CompatLevel.oldest()),
        document_ids=index.document_ids,
        # One more column: the positive where it was not retrieved.
        rows=np.column_stack([rows, np.where(retrieved, -1, positive)]),
        scores=np.column_stack([scores, own]),
        positive=positive,
        provenance=Provenance(method="bm25", model=str(settings), corpus_revision=corpus_revision),
    )
    pq.write_table(table, out / "candidates.parquet", compression="zstd", row_group_size=max(1, len(table)))
    return {
        "queries": len(texts),
        "candidates": int((rows >= 0).sum()),
        "without_candidates": int((rows[:, 0] < 0).sum()) if depth else len(texts),
        "positives_retrieved": int(retrieved.sum()),
    }


def _table(
    *,
    query_ids: pa.Array,
    document_ids: pa.ChunkedArray,
    rows: NDArray[np.integer[Any]],
    scores: NDArray[np.float32],
    positive: NDArray[np.int64],
    provenance: Provenance,
) -> pa.Table:
    """Candidates of a batch; the last column of `rows` has no rank."""
    schema = arrow_schema(CANDIDATES)
    query, column = np.nonzero(rows >= 0)
    found = rows[query, column]
    size = len(found)
    columns = {
        "query_id": query_ids.take(pa.array(query)),
        "document_id": document_ids.take(pa.array(found)),
        "text": pa.nulls(size, pa.large_string()),
        "label": pa.array((found == positive[query]).astype(np.int8)),
        "rank": pa.array(column + 1, pa.int32(), mask=column == rows.shape[1] - 1),
        "score": pa.array(scores[query, column].astype(np.float64)),
        "provenance": pa.repeat(pa.scalar(asdict(provenance), schema.field("provenance").type), size),
    }
    return pa.table({name: column.cast(schema.field(name).type) for name, column in columns.items()}, schema=schema)


def _positive_rows(queries: Path, document_ids: pa.ChunkedArray, part: slice) -> NDArray[np.int64]:
    """The row of the first positive of each query of a part, -1 for a query without one."""
    try:
        frame = pl.read_parquet(queries, columns=["query_id", "positive_ids"])[part]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{queries}: can't be read as queries ({error})", do="make the queries stage again") from error
    first = frame.get_column("positive_ids").list.first()
    wanted = first.drop_nulls().unique(maintain_order=True).to_arrow().cast(pa.large_string())
    place = pc.index_in(document_ids.cast(pa.large_string()), value_set=wanted)
    place = place.fill_null(-1).to_numpy()
    row_of = np.full(len(wanted), -1, np.int64)
    (found,) = np.nonzero(place >= 0)
    # Backwards, so that of two documents with one id the first stays.
    row_of[place[found[::-1]]] = found[::-1]
    numbers = pc.index_in(first.to_arrow().cast(pa.large_string()), value_set=wanted).fill_null(-1).to_numpy()
    rows = np.where(numbers >= 0, np.append(row_of, -1)[numbers], -1)
    missing = np.flatnonzero((numbers >= 0) & (rows < 0))
    if len(missing):
        query_id, positive = frame["query_id"][int(missing[0])], first[int(missing[0])]
        raise InputError(
            f"{queries}: query {query_id}: its positive {positive} is not among the documents",
            do="make the queries stage again from this corpus",
        )
    return rows
