"""A corpus that is given as objects or as one file: texts, dicts, a Dataset, a frame.

Ids stay: a document without an id of its own gets a hash of its title and text, so it has the same one wherever it stands in
the list, and whatever else is there.
"""

import hashlib
import numbers
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

__all__ = ["checked_rows", "content_id", "file_rows", "frame_rows", "open_given", "rows_sha256"]

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

    `rows` is called twice, so that nothing need be held. With `chunking` each is cut, and the chunks' ids are `<id>#<n>`. Empty
    documents and repeated ones (equal title and text, no id), and queries without text, go to the ledger. Raises InputError for an
    id that two documents share, a query that is no text, a judgement that is no whole number or on what is not there, or
    nothing at all.
    """
    asked = _checked_queries(name or "corpus", queries or {})
    gains = _checked_gains(name or "corpus", qrels or {})
    parts = {
        "given": rows_sha256(name or "corpus", rows()),
        "code": _CODE_VERSION,
        "queries": asked,
        "qrels": gains,
        "split": split,
        "name": name,
    }
    if chunking is not None:
        parts["chunking"] = {**asdict(chunking), "cut": CUT_VERSION}
    key = fingerprint(parts)
    name = name or f"given-{key[:8]}"

    def make(out: Path, _: Path) -> dict[str, Any]:
        made = _make(out, name, rows(), queries=asked, qrels=gains, split=split, chunking=chunking)
        return {**made, "revision": f"given-{key[:16]}", "source": {"name": name, "given": key}}

    parent = home() / "corpora"
    place = parent / f"{name.replace('/', '--')}-{key[:16]}"
    with waiting_lock(parent, place.name):
        record = run_stage(place, parts, make)
    return opened(place, record, Source(name, None, given=place))


def rows_sha256(name: str, rows: Iterable[Row]) -> str:
    """SHA-256 (hex) of documents in their order. Raises InputError for one that is no valid Unicode."""
    total = hashlib.sha256()
    for number, row in enumerate(rows):
        total.update(_encoded(row, f"{name}: document {number}"))
    return total.hexdigest()


def file_rows(path: Path) -> Iterator[Row]:
    """Documents of one JSONL, Parquet, CSV or TSV file. Raises InputError, naming the line or row."""
    columns = [Column(name, names, name != "text") for name, names in ACCEPTED["documents"].items()]
    for block in read_blocks(path, columns):
        yield from pl.DataFrame(block.rows).select(pl.col("id", "title", "text").fill_null("")).iter_rows()


def frame_rows(frame: pl.DataFrame, what: str) -> Iterator[Row]:
    """Documents of a frame, its columns found by their usual names. Raises InputError if it has no text, or lists."""
    found = {
        column: next((name for name in names if name in frame.columns), None)
        for column, names in ACCEPTED["documents"].items()
    }
    if found["text"] is None:
        raise InputError(
            f"{what}: has no column of texts among {', '.join(frame.columns) or 'no columns'}",
            do=f"name it {', '.join(ACCEPTED['documents']['text'])}",
        )
    for name in found.values():
        if name is not None and frame.schema[name].is_nested():
            raise InputError(f"{what}: column {name} holds {frame.schema[name]}, not texts", do="give strings")
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
    chunking: Chunking | None,
) -> dict[str, Any]:
    drops: list[Drop] = []
    known: set[str] = set()
    with DocumentWriter(out / "documents.parquet") as writer:
        kept = checked_rows(rows, known if chunking is None else set(), drops, name)
        for part in _batches(kept if chunking is None else _chunks(kept, chunking)):
            known.update(document_id for document_id, *_ in part)
            writer.write(pl.DataFrame(part, schema=DOCUMENTS, orient="row"))
        documents = writer.rows
    if not documents:
        raise InputError(f"{name}: holds no document with a title or a text", do="give some")
    judgements = [(split, query, document, gain) for query, found in qrels.items() for document, gain in found.items()]
    for _, query, document, _gain in judgements:
        if query not in queries:
            raise InputError(f"{name}: query {query!r} is judged and not among the queries", do="give its text")
        if document not in known:
            raise InputError(
                f"{name}: document {document!r} is judged and not in the corpus", do="give it, with its id"
            )
    blank = {query for query, text in queries.items() if not text.strip()}
    drops += [Drop(_STAGE, "empty", query_id=query, detail="no text") for query in queries if query in blank]
    drops += [
        Drop(_STAGE, "empty-query", query_id=query, document_id=document, detail=f"judgement in {split}")
        for _, query, document, _gain in judgements
        if query in blank
    ]
    judgements = [row for row in judgements if row[1] not in blank]
    asked = [
        (split if qrels.get(query) else "unjudged", query, text)
        for query, text in queries.items()
        if query not in blank
    ]
    write_table(out / "queries.parquet", pl.DataFrame(asked, schema=QUERIES, orient="row"))
    write_table(out / "qrels.parquet", pl.DataFrame(judgements, schema=QRELS, orient="row"))
    write_table(out / "ledger.parquet", pl.DataFrame([asdict(drop) for drop in drops], schema=LEDGER))
    return {
        "corpus": name,
        "licence": "unknown",
        "chunked": chunking is not None and several_files(known),
        "counts": {"documents": documents, "queries": dict(Counter(row[0] for row in asked)), "qrels": len(judgements)},
        "dropped": dict(sorted(Counter(drop.reason for drop in drops).items())),
    }


def _chunks(rows: Iterable[Row], chunking: Chunking) -> Iterator[Row]:
    for document_id, title, text in rows:
        chunks = chunk_document(document_id, text, chunking, title)
        if not chunks:
            yield document_id, title, text  # a title alone
        for chunk in chunks:
            yield chunk.document_id, chunk.title, chunk.text


def _encoded(value: object, what: str) -> bytes:
    try:
        return canonical_json(value).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what} is no valid Unicode ({error.reason})", do="mend its text") from error


def _checked_queries(name: str, queries: Mapping[str, str]) -> dict[str, str]:
    for query_id, text in queries.items():
        if not (isinstance(query_id, str) and isinstance(text, str)):
            raise InputError(f"{name}: query {query_id!r} is {text!r:.60}", do="give id and text as strings")
        _encoded([query_id, text], f"{name}: query {query_id!a}")
    return dict(queries)


def _checked_gains(name: str, qrels: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    for query_id, judged in qrels.items():
        for document_id, gain in judged.items():
            if not isinstance(gain, numbers.Real) or gain % 1:
                raise InputError(
                    f"{name}: query {query_id!r} and document {document_id!r} are judged {gain!r}",
                    do="give a whole number",
                )
    return {query_id: {one: int(gain) for one, gain in judged.items()} for query_id, judged in qrels.items()}


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
