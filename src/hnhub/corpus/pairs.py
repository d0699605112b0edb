"""Pairs of a query and its positive as a corpus: each text once, each query once, the pairs as judgements.

Read in batches and twice, so that millions of pairs need not be held: of each text only an id stays in memory.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hnhub.corpus.given import Row, checked_rows, content_id, rows_sha256
from hnhub.corpus.load import Source
from hnhub.corpus.opened import Corpus, opened
from hnhub.corpus.parquet import DocumentWriter, write_table
from hnhub.errors import InputError
from hnhub.home import home
from hnhub.records import Drop, contents
from hnhub.schema import DOCUMENTS, LEDGER, QRELS, QUERIES, arrow_schema
from hnhub.stages import canonical_json, fingerprint, run_stage, waiting_lock

__all__ = ["DOCUMENT", "QUERY", "Pairs", "open_pairs"]

QUERY, DOCUMENT = "hnhub_query_id", "hnhub_document_id"
"""Columns of rows.parquet: which query and which document a pair is."""

_SPLIT = "train"
_CODE_VERSION = 1
_BATCH = 8192


@dataclass(frozen=True)
class Pairs:
    """Pairs that were given, kept as a corpus."""

    corpus: Corpus
    rows: Path
    """Parquet, a row a pair in the order in which they came: QUERY, DOCUMENT, `query`, `positive`, and the columns beside them."""


def open_pairs(
    name: str | None,
    frames: Callable[[], Iterable[pl.DataFrame]],
    documents: Callable[[], Iterable[Row]] | Corpus | None = None,
) -> Pairs:
    """Keep pairs, once for the same content, below `home()`, and open them as a corpus.

    `frames` gives the pairs in parts: `query` (a text), `positive` (a list of texts, each a pair of its own) and any other
    columns, which stay. `documents` is the corpus; None: it is the positives themselves. A positive that the corpus does not
    have, by title and text or by its text alone, is added to it. Pairs without a query or a positive go to the ledger.

    Raises InputError if there are no pairs.
    """
    total = hashlib.sha256()
    for frame in frames():
        total.update(canonical_json([frame.columns, [str(kind) for kind in frame.dtypes]]).encode())
        total.update(frame.write_ipc(None).getvalue())
    parts: dict[str, object] = {"pairs": total.hexdigest(), "code": _CODE_VERSION, "name": name}
    if isinstance(documents, Corpus):
        parts["corpus"] = [documents.name, documents.revision]
    elif documents is not None:
        parts["corpus"] = rows_sha256(name or "corpus", documents())
    key = fingerprint(parts)
    called = name or f"pairs-{key[:8]}"
    given = _rows_of(documents) if isinstance(documents, Corpus) else documents

    def make(out: Path, _: Path) -> dict[str, Any]:
        facts = _Writer(out, called).write(frames(), given)
        return {**facts, "revision": f"given-{key[:16]}", "source": {"name": called, "given": key}}

    parent = home() / "corpora"
    place = parent / f"{called.replace('/', '--')}-{key[:16]}"
    with waiting_lock(parent, place.name):
        record = run_stage(place, parts, make)
    return Pairs(opened(place, record, Source(called, None, given=place)), place / "rows.parquet")


def _rows_of(corpus: Corpus) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        for batch in pq.ParquetFile(corpus.folder / "documents.parquet", pre_buffer=False).iter_batches(_BATCH):
            yield from pl.DataFrame(batch).iter_rows()

    return rows


class _Writer:
    """What the tables know of each other while they are written."""

    def __init__(self, out: Path, name: str) -> None:
        self._out = out
        self._name = name
        self._documents: dict[str, str] = {}
        """Document id by `content_id` of a text: as a whole, and of titled ones without the title too."""
        self._queries: set[str] = set()
        self._judged: set[tuple[str, str]] = set()
        self._drops: list[Drop] = []
        self._at = 0

    def write(self, frames: Iterable[pl.DataFrame], documents: Callable[[], Iterable[Row]] | None) -> dict[str, Any]:
        known: set[str] = set()
        with ExitStack() as stack:
            corpus = stack.enter_context(DocumentWriter(self._out / "documents.parquet"))
            queries = stack.enter_context(pq.ParquetWriter(self._out / "queries.parquet", arrow_schema(QUERIES)))
            qrels = stack.enter_context(pq.ParquetWriter(self._out / "qrels.parquet", arrow_schema(QRELS)))
            rows: pq.ParquetWriter | None = None
            batch: list[Row] = []
            for row in checked_rows(documents() if documents else (), known, self._drops, self._name):
                batch.append(row)
                self._know(*row)
                if len(batch) == _BATCH:
                    corpus.write(pl.DataFrame(batch, schema=DOCUMENTS, orient="row"))
                    batch.clear()
            corpus.write(pl.DataFrame(batch, schema=DOCUMENTS, orient="row"))
            if not known and documents:
                raise InputError(f"{self._name}: its corpus holds no document", do="give some, or none at all")
            for frame in frames:
                pairs = self._clean(frame)
                added, asked, judged, keys = self._keys(pairs)
                corpus.write(pl.DataFrame(added, schema=DOCUMENTS, orient="row"))
                queries.write_table(_table(asked, QUERIES))
                qrels.write_table(_table(judged, QRELS))
                table = pl.concat([keys, pairs], how="horizontal").to_arrow(compat_level=pl.CompatLevel.oldest())
                if rows is None:
                    rows = stack.enter_context(
                        pq.ParquetWriter(self._out / "rows.parquet", table.schema, compression="zstd")
                    )
                rows.write_table(table.cast(rows.schema))
        if not self._judged:
            raise InputError(f"{self._name}: holds no pair of a query and a positive", do="give some")
        write_table(self._out / "ledger.parquet", pl.DataFrame([asdict(drop) for drop in self._drops], schema=LEDGER))
        return {
            "corpus": self._name,
            "licence": "unknown",
            "chunked": False,
            "counts": {"documents": corpus.rows, "queries": {_SPLIT: len(self._queries)}, "qrels": len(self._judged)},
            "dropped": dict(sorted(Counter(drop.reason for drop in self._drops).items())),
        }

    def _know(self, document_id: str, title: str, text: str) -> None:
        for one in {contents(title, text), text.strip()}:
            self._documents.setdefault(content_id("", one), document_id)

    def _clean(self, frame: pl.DataFrame) -> pl.DataFrame:
        """One row a pair, those without a query or a positive left out."""
        numbered = frame.with_row_index("hnhub_row", offset=self._at)
        self._at += len(frame)
        pairs = numbered.explode("positive", empty_as_null=True, keep_nulls=True)
        bare = pairs.select(
            "hnhub_row",
            *((pl.col(name).fill_null("").str.strip_chars() == "").alias(name) for name in ("query", "positive")),
        )
        for row, query, positive in bare.filter(pl.col("query") | pl.col("positive")).iter_rows():
            missing = " and ".join(name for name, lacks in (("query", query), ("positive", positive)) if lacks)
            self._drops.append(Drop("corpus", "empty", detail=f"pair {row}: no {missing}"))
        return pairs.filter(~(bare["query"] | bare["positive"])).drop("hnhub_row")

    def _keys(
        self, pairs: pl.DataFrame
    ) -> tuple[list[Row], list[tuple[Any, ...]], list[tuple[Any, ...]], pl.DataFrame]:
        """New documents, new queries, new judgements, and each pair's query and document."""
        added: list[Row] = []
        asked: list[tuple[Any, ...]] = []
        judged: list[tuple[Any, ...]] = []
        keys: list[tuple[str, str]] = []
        for query, positive in pairs.select("query", "positive").iter_rows():
            query_id, own = content_id("", query), content_id("", positive.strip())
            document_id = self._documents.get(own)
            if document_id is None:
                document_id = self._documents[own] = own
                added.append((own, "", positive))
            if query_id not in self._queries:
                self._queries.add(query_id)
                asked.append((_SPLIT, query_id, query))
            key = (query_id, document_id)
            if key not in self._judged:
                self._judged.add(key)
                judged.append((_SPLIT, *key, 1))
            keys.append(key)
        return added, asked, judged, pl.DataFrame(keys, schema={QUERY: pl.String, DOCUMENT: pl.String}, orient="row")


def _table(rows: list[tuple[Any, ...]], schema: pl.Schema) -> pa.Table:
    return pl.DataFrame(rows, schema=schema, orient="row").to_arrow().cast(arrow_schema(schema))
