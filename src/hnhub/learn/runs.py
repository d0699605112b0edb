"""Runs: what a retriever returned, in memory and as TREC run files."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from hnhub.errors import InputError
from hnhub.stages import write_atomically

__all__ = ["Run", "read_run", "run_of_mapping", "run_of_matrix", "without", "without_same_id", "write_run"]

# Explicit classes: \s and \S are Unicode-aware, and twice as slow.
_LINE = r"^[ \t]*(?<query_id>[^ \t]+)[ \t]+[^ \t]+[ \t]+(?<document_id>[^ \t]+)[ \t]+[^ \t]+[ \t]+(?<score>[^ \t\r]+)"


@dataclass(frozen=True)
class Run:
    """Ranked documents of several queries; in no order within a query, for scores decide (`hnhub.learn.metrics`)."""

    query_ids: Sequence[str]
    """Shape [q], each once."""
    offsets: npt.NDArray[np.int64]
    """Shape [q + 1]: query i's documents stand at offsets[i] : offsets[i + 1]."""
    documents: npt.NDArray[np.int32]
    """Shape [n]: positions in `document_ids`; no position twice within a query."""
    scores: npt.NDArray[np.float32]
    """Shape [n], not NaN. float32, for trec_eval compares scores in single precision."""
    document_ids: Sequence[str]

    def ranking(self, number: int) -> list[tuple[str, float]]:
        """Documents and scores of the query at `number` in trec_eval's order: best score first, ties by id backwards."""
        part = slice(self.offsets[number], self.offsets[number + 1])
        pairs = [
            (self.document_ids[d], s) for d, s in zip(self.documents[part], self.scores[part].tolist(), strict=True)
        ]
        return sorted(sorted(pairs, reverse=True), key=lambda pair: -pair[1])

    def as_mapping(self) -> dict[str, dict[str, float]]:
        """The form that pytrec_eval, ir_measures and ranx take: query id -> document id -> score."""
        return {query_id: dict(self.ranking(number)) for number, query_id in enumerate(self.query_ids)}


def run_of_matrix(
    query_ids: Sequence[str],
    documents: npt.NDArray[np.integer],
    scores: npt.NDArray[np.floating],
    document_ids: Sequence[str],
) -> Run:
    """A run from a search's answer: `documents` and `scores` of shape [q, k], padded with -1."""
    kept = documents >= 0
    offsets = np.zeros(len(query_ids) + 1, np.int64)
    np.cumsum(kept.sum(axis=1), out=offsets[1:])
    return Run(query_ids, offsets, documents[kept].astype(np.int32), scores[kept].astype(np.float32), document_ids)


def run_of_mapping(run: Mapping[str, Mapping[str, float]]) -> Run:
    """A run from query id -> document id -> score."""
    positions: dict[str, int] = {}
    documents = [positions.setdefault(d, len(positions)) for ranking in run.values() for d in ranking]
    scores = [score for ranking in run.values() for score in ranking.values()]
    offsets = np.cumsum([0, *(len(ranking) for ranking in run.values())], dtype=np.int64)
    return Run(list(run), offsets, np.array(documents, np.int32), np.array(scores, np.float32), list(positions))


def without_same_id(run: Run) -> Run:
    """The run without documents that bear their query's id, as BEIR evaluates corpora whose queries are documents."""
    own = dict.fromkeys(run.query_ids, -1)
    own |= {document_id: i for i, document_id in enumerate(run.document_ids) if document_id in own}
    lengths = np.diff(run.offsets)
    kept = run.documents != np.repeat([own[query_id] for query_id in run.query_ids], lengths)
    offsets = np.concatenate([[0], np.cumsum(kept)])[run.offsets]
    return Run(run.query_ids, offsets, run.documents[kept], run.scores[kept], run.document_ids)


def without(run: Run, excluded: Mapping[str, Collection[str]]) -> Run:
    """The run without some documents of some queries: query id -> document ids."""
    position = {document_id: i for i, document_id in enumerate(run.document_ids)}
    kept = np.ones(len(run.documents), bool)
    for i, query_id in enumerate(run.query_ids):
        if gone := [position[one] for one in excluded.get(query_id, ()) if one in position]:
            part = slice(run.offsets[i], run.offsets[i + 1])
            kept[part] = ~np.isin(run.documents[part], gone)
    offsets = np.concatenate([[0], np.cumsum(kept)])[run.offsets]
    return Run(run.query_ids, offsets, run.documents[kept], run.scores[kept], run.document_ids)


def read_run(path: Path) -> Run:
    """Read a TREC run file: `query Q0 document rank score tag`. The rank column is ignored, as trec_eval does.

    Raises InputError, with the line, for a line of another form, a score that is no number, or a document given twice.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file", do="give a TREC run file")
    try:
        lines = pl.read_csv(
            path, has_header=False, separator="\x1f", quote_char=None, schema={"line": pl.String},
            row_index_name="number", row_index_offset=1,
        ).filter(pl.col("line").str.contains(r"\S"))  # fmt: skip
    except pl.exceptions.ComputeError as error:
        raise InputError(f"{path}: can't be read ({error})", do="give a TREC run file in UTF-8") from error
    table = lines.with_columns(pl.col("line").str.extract_groups(_LINE).alias("parts")).unnest("parts")
    table = table.with_columns(pl.col("score").cast(pl.Float64, strict=False).cast(pl.Float32))
    bad = table.filter(pl.col("score").is_null() | pl.col("score").is_nan())
    if bad.height:
        raise InputError(
            f"{path}, line {bad['number'][0]}: is not 'query Q0 document rank score tag': {bad['line'][0][:80]!r}",
            do="give a TREC run file",
        )
    columns = ["query_id", "document_id"]
    queries, documents = (
        table.select(pl.col(name).unique(maintain_order=True)).with_row_index("n") for name in columns
    )
    table = table.join(queries, on="query_id", maintain_order="left").rename({"n": "query"})
    table = table.join(documents, on="document_id", maintain_order="left").rename({"n": "document"})
    twice = table.filter((pl.col("query").cast(pl.Int64) * documents.height + pl.col("document")).is_duplicated())
    if twice.height:
        query_id, document_id = twice["query_id"][-1], twice["document_id"][-1]
        raise InputError(
            f"{path}, line {twice['number'][-1]}: document {document_id!r} stands twice for query {query_id!r}",
            do="remove one of the lines",
        )
    table = table.select("query", "document", "score").sort("query", maintain_order=True)
    lengths = np.bincount(table["query"].to_numpy(), minlength=queries.height)
    return Run(
        queries["query_id"].to_list(),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        table["document"].to_numpy().astype(np.int32),
        table["score"].to_numpy(),
        documents["document_id"].to_list(),
    )


def write_run(path: Path, run: Run, *, tag: str) -> None:
    """Write a TREC run file, atomically. Scores keep their single precision. Raises InputError if an id holds white space."""
    tag = "-".join(tag.split()) or "run"
    lines = []
    for number, query_id in enumerate(run.query_ids):
        for rank, (document_id, score) in enumerate(run.ranking(number), 1):
            lines.append(f"{query_id} Q0 {document_id} {rank} {score:.9g} {tag}\n")
            if len(lines[-1].split()) != 6:
                raise InputError(
                    f"{path}: query {query_id!r} or document {document_id!r} holds white space, which a run file can't",
                    do="keep the result as JSON only, or rename the ids",
                )
    write_atomically(path, "".join(lines))
