"""Turn a corpus's files into documents.parquet, queries.parquet, qrels.parquet and ledger.parquet, checking each row."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from hnhub.corpus.layout import Layout
from hnhub.corpus.parquet import DocumentWriter, write_table
from hnhub.corpus.tables import Block, Column, read_blocks
from hnhub.errors import InputError
from hnhub.progress import report
from hnhub.records import Drop
from hnhub.schema import LEDGER, QRELS, QUERIES

__all__ = ["ACCEPTED", "UNJUDGED", "convert"]

UNJUDGED = "unjudged"
"""The split of a query that no judgement names."""

_STAGE = "corpus"

ACCEPTED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "documents": {
        "id": ("_id", "document_id", "doc_id", "docid", "corpus-id", "corpus_id", "pid", "id"),
        "title": ("title",),
        "text": ("text", "contents", "content", "passage", "body"),
    },
    "queries": {
        "id": ("_id", "query_id", "query-id", "qid", "id"),
        "text": ("text", "query", "question"),
    },
    "qrels": {
        "query_id": ("query-id", "query_id", "qid"),
        "document_id": ("corpus-id", "corpus_id", "document_id", "doc_id", "docid", "pid"),
        "score": ("score", "relevance", "rel", "label"),
    },
}
"""Table -> column -> the names that it may have, the first found taken. `columns.toml` in the folder overrides them."""


def convert(out: Path, layout: Layout, drops: Sequence[Drop] = ()) -> dict[str, Any]:
    """Write the four files into `out`, rows in source order, and return their counts.

    `drops` stand first in the ledger. Result: {"counts", "source_counts", "dropped"}; the source's counts are those
    before empty texts are dropped. Raises InputError for bad input, naming file and line.
    """
    columns = _columns(layout.folder)
    ledger = list(drops)
    documents, empty = _write_documents(out / "documents.parquet", layout.documents, columns["documents"])
    ledger += [Drop(_STAGE, "empty", document_id=document, detail="no title and no text") for document in empty]
    queries = _read_queries(layout.queries, columns["queries"])
    blank = queries.filter(pl.col("text").str.strip_chars() == "")["query_id"]
    ledger += [Drop(_STAGE, "empty", query_id=query, detail="no text") for query in blank]

    judged: dict[str, int] = {}
    kept = []
    for split, paths in layout.qrels.items():
        qrels = _read_qrels(paths, split, columns["qrels"])
        _check_known(qrels, "query_id", queries.lazy().select("query_id"))
        written = pl.scan_parquet(out / "documents.parquet").select("document_id")
        known = pl.concat([written, pl.LazyFrame({"document_id": empty}, schema={"document_id": pl.String})])
        _check_known(qrels, "document_id", known)
        judged[split] = qrels["query_id"].n_unique()
        qrels, dropped = _drop_judgements(qrels, split, empty, blank)
        ledger += dropped
        kept.append(qrels.select(QRELS.names()))
    all_qrels = pl.concat([QRELS.to_frame(), *kept])
    all_queries = _by_split(queries.filter(~pl.col("query_id").is_in(blank.implode())), all_qrels, list(layout.qrels))
    write_table(out / "queries.parquet", all_queries)
    write_table(out / "qrels.parquet", all_qrels)
    write_table(out / "ledger.parquet", pl.DataFrame([asdict(drop) for drop in ledger], schema=LEDGER))
    return {
        "counts": {"documents": documents, "queries": _count(all_queries), "qrels": _count(all_qrels)},
        "source_counts": {"documents": documents + len(empty), "judged_queries": judged},
        "dropped": dict(sorted(Counter(drop.reason for drop in ledger).items())),
    }


def _columns(folder: Path) -> dict[str, list[Column]]:
    path = folder / "columns.toml"
    mapped: dict[str, dict[str, str]] = {}
    if path.is_file():
        try:
            mapped = tomllib.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise InputError(f"{path}: is not TOML ({error})", do="mend it (docs/corpora.md shows one)") from error
        for table, names in mapped.items():
            if not isinstance(names, dict) or not set(names) <= set(ACCEPTED.get(table, ())):
                known = "; ".join(f"[{table}] {', '.join(names)}" for table, names in ACCEPTED.items())
                raise InputError(f"{path}: unknown entry in {table}", do=f"use only {known}")
            if wrong := [name for name, own in names.items() if not isinstance(own, str)]:
                raise InputError(f"{path}: {table}.{wrong[0]} is no column's name", do="write it as a string")
    return {
        table: [
            Column(name, (own[name],))
            if name in (own := mapped.get(table, {}))
            else Column(name, accepted, name == "title")
            for name, accepted in names.items()
        ]
        for table, names in ACCEPTED.items()
    }


# --- documents


def _write_documents(path: Path, sources: Sequence[Path], columns: Sequence[Column]) -> tuple[int, list[str]]:
    """Stream the documents into `path`; return how many, and the ids of the empty ones."""
    empty: list[str] = []
    hashes: list[pl.Series] = []
    with DocumentWriter(path) as writer:
        for block in _blocks(sources, columns):
            rows = _checked(block).select(
                pl.col("id").alias("document_id"), pl.col("title").fill_null(""), pl.col("text").fill_null("")
            )
            hashes.append(rows["document_id"].hash())
            blank = (pl.col("title").str.strip_chars() == "") & (pl.col("text").str.strip_chars() == "")
            gone = rows.filter(blank)
            if gone.height:
                empty += gone["document_id"].to_list()
                rows = rows.filter(~blank)
            writer.write(rows)
            report("documents read", writer.rows, unit="documents", dropped={"empty": len(empty)} if empty else None)
    _check_unique(hashes, sources, columns, "document")
    if not writer.rows:
        raise InputError(f"{sources[0]}: holds no document with a title or a text", do="check the file and its columns")
    return writer.rows, empty


def _blocks(sources: Sequence[Path], columns: Sequence[Column]) -> Iterator[Block]:
    for source in sources:
        yield from read_blocks(source, columns)


def _checked(block: Block) -> pl.DataFrame:
    """The block's rows, every one with an id."""
    rows = pl.DataFrame(block.rows)
    missing = (rows["id"].is_null() | (rows["id"] == "")).arg_true()
    if missing.len():
        raise InputError(f"{block.place(missing[0])}: has no id", do="give every row an id of its own")
    return rows


def _check_unique(hashes: Sequence[pl.Series], sources: Sequence[Path], columns: Sequence[Column], what: str) -> None:
    """Eight bytes an id; only when two hashes are equal are the sources read again, to compare the ids themselves."""
    if not hashes:
        return
    found = pl.concat(hashes).sort()
    twice = found.filter(found == found.shift(1)).unique()
    if twice.is_empty():
        return
    seen: dict[str, str] = {}
    for block in _blocks(sources, columns):
        ids = pl.DataFrame(block.rows)["id"]
        for row in ids.hash().is_in(twice.implode()).arg_true():
            if ids[row] in seen:
                raise InputError(
                    f"{block.place(row)}: {what} id {ids[row]!r} stands already in {seen[ids[row]]}",
                    do="keep one of them",
                )
            seen[ids[row]] = block.place(row)


# --- queries and judgements: small enough to hold


def _read_queries(sources: Sequence[Path], columns: Sequence[Column]) -> pl.DataFrame:
    """query_id, text; in source order."""
    if not sources:
        return pl.DataFrame(schema={"query_id": pl.String, "text": pl.String})
    frames = [
        _checked(block).select(pl.col("id").alias("query_id"), pl.col("text").fill_null(""))
        for block in _blocks(sources, columns)
    ]
    _check_unique([frame["query_id"].hash() for frame in frames], sources, columns, "query")
    if not frames:
        raise InputError(f"{sources[0]}: holds no query", do="check the file")
    return pl.concat(frames)


def _read_qrels(sources: Sequence[Path], split: str, columns: Sequence[Column]) -> pl.DataFrame:
    """split, query_id, document_id, score, and where each stands (file, number)."""
    if split == UNJUDGED:
        raise InputError(f"{sources[0]}: {UNJUDGED!r} is no name for a split", do="rename the file")
    frames = []
    for block in _blocks(sources, columns):
        rows = pl.DataFrame(block.rows)
        for column in ("query_id", "document_id"):
            missing = (rows[column].is_null() | (rows[column] == "")).arg_true()
            if missing.len():
                raise InputError(f"{block.place(missing[0])}: has no {column}", do="mend or delete the row")
        score = rows["score"].str.strip_chars().str.replace(r"\.0*$", "").cast(pl.Int32, strict=False)
        wrong = score.is_null().arg_true()
        if wrong.len():
            value = rows["score"][wrong[0]]
            raise InputError(f"{block.place(wrong[0])}: score {value!r} is not a whole number", do="mend the row")
        place = pl.Series("number", block.numbers, pl.Int64)
        frames.append(
            rows.with_columns(pl.lit(split).alias("split"), pl.lit(str(block.path)).alias("path"), score, place)
        )
    if not frames:
        raise InputError(f"{sources[0]}: holds no judgement", do="check the file, or delete it")
    return pl.concat(frames)


def _check_known(qrels: pl.DataFrame, column: str, known: pl.LazyFrame) -> None:
    wanted = qrels.lazy().select(column).unique()
    found = known.join(wanted, on=column, how="semi").collect(engine="streaming")
    unknown = qrels.join(found, on=column, how="anti", maintain_order="left")
    if unknown.height:
        first = unknown.row(0, named=True)
        where = "queries" if column == "query_id" else "documents"
        raise InputError(
            f"{first['path']}: line {first['number']}: {column} {first[column]!r} is not among the {where}"
            f" ({unknown.height:,} such of {qrels.height:,} judgements)",
            do="check that corpus, queries and qrels belong together",
        )


def _drop_judgements(
    qrels: pl.DataFrame, split: str, empty: Sequence[str], blank: pl.Series
) -> tuple[pl.DataFrame, list[Drop]]:
    """Without judgements on empty texts and repeated ones; a pair that is judged in two ways is an error."""
    pair = ["query_id", "document_id"]
    repeated = ~pl.struct(pair).is_first_distinct()
    conflict = qrels.filter(pl.col("score").n_unique().over(pair) > 1)
    if conflict.height:
        first = conflict.filter(repeated).row(0, named=True)
        raise InputError(
            f"{first['path']}: line {first['number']}: query {first['query_id']!r} and document"
            f" {first['document_id']!r} are judged twice, differently",
            do="keep one of the judgements",
        )
    reason = (
        pl.when(pl.col("document_id").is_in(empty))
        .then(pl.lit("empty-document"))
        .when(pl.col("query_id").is_in(blank.implode()))
        .then(pl.lit("empty-query"))
        .when(repeated)
        .then(pl.lit("repeated"))
    )
    marked = qrels.with_columns(reason.alias("reason"))
    drops = [
        Drop(
            _STAGE,
            row["reason"],
            query_id=row["query_id"],
            document_id=row["document_id"],
            detail=f"judgement in {split}",
        )
        for row in marked.filter(pl.col("reason").is_not_null()).iter_rows(named=True)
    ]
    return marked.filter(pl.col("reason").is_null()), drops


def _by_split(queries: pl.DataFrame, qrels: pl.DataFrame, splits: Sequence[str]) -> pl.DataFrame:
    """A query stands in every split that judges it; one that none does stands in `UNJUDGED`."""
    parts = [
        queries.join(
            qrels.filter(pl.col("split") == split), on="query_id", how="semi", maintain_order="left"
        ).with_columns(pl.lit(split).alias("split"))
        for split in splits
    ]
    rest = queries.join(qrels, on="query_id", how="anti", maintain_order="left")
    parts.append(rest.with_columns(pl.lit(UNJUDGED).alias("split")))
    return pl.concat(parts).select(QUERIES.names())


def _count(rows: pl.DataFrame) -> dict[str, int]:
    return dict(rows.group_by("split", maintain_order=True).len().iter_rows())
