"""Repositories that hold several corpora, one a part (a language, a field), as `owner/name:part` names it.

MIRACL, as mteb has it:  <part>-corpus/ <part>-queries/ <part>-qrels/<split>*     ids, titles and texts as everywhere
BRIGHT:                  documents/<part>-* (id, content)   examples/<part>-* (id, query, gold_ids, excluded_ids)

BRIGHT's excluded documents of a query are neither relevant nor not: an evaluation leaves them out of its ranking.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from hnhub.corpus.layout import Layout, find_layout, tables
from hnhub.errors import InputError

__all__ = ["EXCLUDED", "find_part", "patterns_of"]

EXCLUDED = "excluded.jsonl"
"""Beside the judgements, where a corpus has any: query-id, corpus-id."""
_NONE = "N/A"
"""BRIGHT's word for no document."""


def patterns_of(part: str) -> tuple[str, ...]:
    """What is fetched of a repository on the Hub for a part of it."""
    prefixed = [f"{part}-{table}/*" for table in ("corpus", "queries", "qrels")]
    return (*prefixed, f"documents/{part}-*", f"examples/{part}-*")


@contextmanager
def find_part(folder: Path, part: str) -> Iterator[Layout]:
    """The files of a part. Raises InputError if the folder has no such part."""
    if (folder / f"{part}-corpus").is_dir():
        with TemporaryDirectory(prefix="hnhub-") as place:
            for table in ("corpus", "queries", "qrels"):
                Path(place, table).symlink_to((folder / f"{part}-{table}").resolve(), target_is_directory=True)
            yield find_layout(Path(place))
        return
    documents, examples = tables(folder / "documents", part), tables(folder / "examples", part)
    if not documents or not examples:
        raise InputError(f"{folder}: has no part {part!r}", do="docs/corpora.md says how parts are found")
    with TemporaryDirectory(prefix="hnhub-") as place:
        _write_examples(Path(place), examples)
        yield replace(find_layout(Path(place), documents=documents), folder=folder)


def _write_examples(place: Path, examples: tuple[Path, ...]) -> None:
    """BRIGHT's examples as queries, judgements and excluded documents."""
    frame = pl.concat([pl.read_parquet(path, columns=["id", "query", "gold_ids", "excluded_ids"]) for path in examples])
    (place / "qrels").mkdir()
    with (
        (place / "queries.jsonl").open("w", encoding="utf-8") as queries,
        (place / "qrels" / "test.jsonl").open("w", encoding="utf-8") as qrels,
        (place / EXCLUDED).open("w", encoding="utf-8") as excluded,
    ):
        for query_id, query, gold, out in frame.iter_rows():
            queries.write(json.dumps({"_id": query_id, "text": query}, ensure_ascii=False) + "\n")
            for document in dict.fromkeys(gold):
                qrels.write(json.dumps({"query-id": query_id, "corpus-id": document, "score": 1}) + "\n")
            for document in dict.fromkeys(one for one in out if one != _NONE):
                excluded.write(json.dumps({"query-id": query_id, "corpus-id": document}) + "\n")
