"""A corpus that is given as objects or as one file: texts, dicts, a Dataset, a frame.

Ids stay: a document without an id of its own gets a hash of its title and text, so it has the same one wherever it stands in
the list, and whatever else is there.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from hnhub.corpus.convert import ACCEPTED
from hnhub.corpus.documents import CUT_VERSION, Chunking, chunk_document, several_files
from hnhub.corpus.load import Source
from hnhub.corpus.opened import Corpus, opened
from hnhub.corpus.parquet import DocumentWriter, write_table
from hnhub.corpus.tables import Column, read_blocks
from hnhub.errors import InputError
from hnhub.home import home
from hnhub.records import Drop
from hnhub.schema import DOCUMENTS, LEDGER, QRELS, QUERIES
from hnhub.stages import canonical_json, fingerprint, run_stage, waiting_lock

__all__ = ["checked_rows", "content_id", "file_rows", "frame_rows", "open_given"]

_STAGE = "corpus"
_CODE_VERSION = 1
_BATCH = 8192

Row = tuple[str, str, str]
"""Id (empty: none was given), title, text."""


def content_id(title: str, text: str) -> str:
    """16 hexadecimal digits by a document's title and text."""
    return hashlib.sha256(f"{title}\0{text}".encode()).hexdigest()[:16]


def open_given(
    name: str | None,
    rows: Callable[[], Iterable[Row]],
    queries: Mapping[str, str] | None = None,
    qrels: Mapping[str, Mapping[str, int]] | None = None,
    split: str = "test",
    *,
    chunking: Chunking | None = None,
) -> Corpus:
    """Keep a corpus that is given, once for the same content, below `home()`, and open it.

    `rows` is called twice, so that nothing need be held. With `chunking` each is cut, and the chunks' ids are `<id>#<n>`. Empty documents and repeated ones (equal title and text, no id) go to
    the ledger. Raises InputError for an id that two documents share, a judgement on what is not there, or nothing at all.
    """
    total = hashlib.sha256()
    for number, row in enumerate(rows()):
        try:
            total.update(canonical_json(row).encode())
        except UnicodeEncodeError as error:
            raise InputError(
                f"{name or 'corpus'}: document {number} is no valid Unicode ({error.reason})", do="mend its text"
            ) from error
    parts = {
        "given": total.hexdigest(),
        "code": _CODE_VERSION,
        "queries": dict(queries or {}),
        "qrels": {query: dict(found) for query, found in (qrels or {}).items()},
        "split": split,
        "name": name,
    }
    if chunking is not None:
        parts["chunking"] = {**asdict(chunking), "cut": CUT_VERSION}
    key = fingerprint(parts)
    name = name or f"given-{key[:8]}"

    def make(out: Path, _: Path) -> dict[str, Any]:
        passages = rows() if chunking is None else _chunks(rows(), chunking)
        made = _make(
            out, name, passages, queries=queries or {}, qrels=qrels or {}, split=split, cut=chunking is not None
        )
        return {**made, "revision": f"given-{key[:16]}", "source": {"name": name, "given": key}}

    parent = home() / "corpora"
    place = parent / f"{name.replace('/', '--')}-{key[:16]}"
    with waiting_lock(parent, place.name):
        record = run_stage(place, parts, make)
    return opened(place, record, Source(name, None, given=place))


def file_rows(path: Path) -> Iterator[Row]:
    """Documents of one JSONL, Parquet, CSV or TSV file. Raises InputError, naming the line or row."""
    columns = [Column(name, names, name != "text") for name, names in ACCEPTED["documents"].items()]
    for block in read_blocks(path, columns):
        yield from pl.DataFrame(block.rows).select(pl.col("id", "title", "text").fill_null("")).iter_rows()


def frame_rows(frame: pl.DataFrame, what: str) -> Iterator[Row]:
    """Documents of a frame, its columns found by their usual names. Raises InputError if it has no text."""
    found = {
        column: next((name for name in names if name in frame.columns), None)
        for column, names in ACCEPTED["documents"].items()
    }
    if found["text"] is None:
        raise InputError(
            f"{what}: has no column of texts among {', '.join(frame.columns) or 'no columns'}",
            do=f"name it {', '.join(ACCEPTED['documents']['text'])}",
        )
    chosen = [
        (pl.lit("") if name is None else pl.col(name).cast(pl.String).fill_null("")).alias(column)
        for column, name in found.items()
    ]
    for part in frame.select(chosen).iter_slices(_BATCH):
        yield from part.iter_rows()


def _make(
    out: Path,
    name: str,
    rows: Iterable[Row],
    *,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    split: str,
    cut: bool,
) -> dict[str, Any]:
    drops: list[Drop] = []
    known: set[str] = set()
    with DocumentWriter(out / "documents.parquet") as writer:
        for part in _batches(checked_rows(rows, known, drops, name)):
            writer.write(pl.DataFrame(part, schema=DOCUMENTS, orient="row"))
        documents = writer.rows
    if not documents:
        raise InputError(f"{name}: holds no document with a title or a text", do="give some")
    judgements = [
        (split, query, document, int(gain)) for query, found in qrels.items() for document, gain in found.items()
    ]
    for _, query, document, _gain in judgements:
        if query not in queries:
            raise InputError(f"{name}: query {query!r} is judged and not among the queries", do="give its text")
        if document not in known:
            raise InputError(
                f"{name}: document {document!r} is judged and not in the corpus", do="give it, with its id"
            )
    asked = [(split if qrels.get(query) else "unjudged", query, text) for query, text in queries.items()]
    write_table(out / "queries.parquet", pl.DataFrame(asked, schema=QUERIES, orient="row"))
    write_table(out / "qrels.parquet", pl.DataFrame(judgements, schema=QRELS, orient="row"))
    write_table(out / "ledger.parquet", pl.DataFrame([asdict(drop) for drop in drops], schema=LEDGER))
    return {
        "corpus": name,
        "licence": "unknown",
        "chunked": cut and several_files(known),
        "counts": {"documents": documents, "queries": dict(Counter(row[0] for row in asked)), "qrels": len(judgements)},
        "dropped": dict(sorted(Counter(drop.reason for drop in drops).items())),
    }


def _chunks(rows: Iterable[Row], chunking: Chunking) -> Iterator[Row]:
    for given, title, text in rows:
        chunks = chunk_document(given or content_id(title, text), text, chunking, title)
        if not chunks:
            yield given, title, text  # whose lack of text the ledger tells
        for chunk in chunks:
            yield chunk.document_id, chunk.title, chunk.text


def checked_rows(rows: Iterable[Row], known: set[str], drops: list[Drop], name: str) -> Iterator[Row]:
    """The documents to keep; their ids go to `known`, what is left out to `drops`."""
    for number, (given, title, text) in enumerate(rows):
        document_id = given or content_id(title, text)
        if not title.strip() and not text.strip():
            drops.append(
                Drop(_STAGE, "empty", document_id=document_id, detail=f"document {number}: no title and no text")
            )
        elif document_id not in known:
            known.add(document_id)
            yield document_id, title, text
        elif given:
            raise InputError(f"{name}: document {number}: id {given!r} stands there already", do="keep one of them")
        else:
            drops.append(Drop(_STAGE, "duplicate", document_id=document_id, detail=f"document {number}: given before"))


def _batches(rows: Iterable[Row]) -> Iterator[Collection[Row]]:
    held: list[Row] = []
    for row in rows:
        held.append(row)
        if len(held) == _BATCH:
            yield held
            held = []
    if held:
        yield held
