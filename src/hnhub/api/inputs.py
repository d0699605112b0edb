"""What the library's functions take: models as ids, folders or objects, corpora as names, folders, files or objects."""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import polars as pl

from hnhub.corpus.convert import ACCEPTED
from hnhub.corpus.documents import chunking_of
from hnhub.corpus.given import Row, file_rows, frame_rows, open_given
from hnhub.corpus.load import Source, resolve
from hnhub.corpus.opened import Corpus, open_source
from hnhub.encode.models import hold
from hnhub.errors import InputError, UsageError

if TYPE_CHECKING:
    import datasets
    import pandas as pd
    from sentence_transformers import CrossEncoder, SentenceTransformer

__all__ = ["BiEncoder", "CorpusLike", "Documents", "Reranker", "given_rows", "model_name", "open_corpus", "source_of"]

BiEncoder: TypeAlias = Union[str, os.PathLike[str], "SentenceTransformer"]
"""An id on the Hub, a folder, or a SentenceTransformer, which is used as it is."""

Reranker: TypeAlias = Union[str, os.PathLike[str], "CrossEncoder"]
"""An id on the Hub, a folder, `local`, or a CrossEncoder, which is used as it is."""

Documents: TypeAlias = Union[
    Sequence[str], Sequence[Mapping[str, Any]], Mapping[str, str], pl.DataFrame, "pd.DataFrame", "datasets.Dataset"
]
"""Texts; dicts with a text and perhaps a title and an id; id -> text; a frame or a Dataset with such columns."""

CorpusLike: TypeAlias = str | os.PathLike[str] | Corpus
"""A name of the catalog, a dataset on the Hub, a folder, a file of documents, or a corpus that is open."""

_FILES = (".jsonl", ".jsonl.gz", ".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz")


def model_name(model: BiEncoder | Reranker, kind: str = "SentenceTransformer") -> str:
    """What the rooms know a model by: its id, its folder, or the name that an object is held under.

    Raises UsageError for an object of another kind, InputError for one that can't be saved.
    """
    if isinstance(model, str):
        return model
    if isinstance(model, os.PathLike):
        return os.fspath(model)
    library = sys.modules.get("sentence_transformers")
    if library is None or not isinstance(model, getattr(library, kind)):
        raise UsageError(f"a {type(model).__name__} is no {kind}", do=f"give an id, a folder or a {kind}")
    return hold(model)


def open_corpus(
    corpus: CorpusLike | Documents,
    *,
    name: str | None = None,
    queries: Mapping[str, str] | None = None,
    qrels: Mapping[str, Mapping[str, int] | Collection[str]] | None = None,
    split: str = "test",
    chunk_tokens: int | None = None,
    chunk_overlap: float | None = None,
) -> Corpus:
    """Load a corpus once, and open it.

    `corpus` is a name of the catalog (`hnhub corpora`), a dataset on the Hub in BEIR's layout, a folder in that layout, or a
    corpus of your own: texts, dicts, id -> text, a polars or pandas frame, a `datasets.Dataset`, a file of them. Columns are
    found by their usual names (`text`, `title`, `_id` and others); a document without an id gets one by its content, which
    stays whatever else is given. `name` is the corpus's name; a folder that has the name of a catalog's corpus must be that one.

    `chunk_tokens` and `chunk_overlap` are the longest chunk in words and marks (16 or more) and the share of it that the next one
    repeats (0 to 0.5). A folder of text files is always cut, by default to 256 without overlap; texts that are given, only if one
    of the two says so: the chunks of document `d` are then `d#1`, `d#2`, ..., and know each other as siblings.

    For a corpus of your own, `queries` are id -> text and `qrels` are query id -> document ids, or -> document id -> gain, of
    the split `split`; without them it has nothing to evaluate on.

    Raises InputError for a corpus that can't be found or is bad, naming file and line; ServiceError if the Hub doesn't answer.

    >>> import hnhub
    >>> corpus = hnhub.open_corpus(
    ...     {"d1": "Kettles boil water.", "d2": "Rivers carry water."},
    ...     name="water", queries={"q1": "what boils water?"}, qrels={"q1": ["d1"]},
    ... )
    >>> corpus.documents, dict(corpus.judged)
    (2, {'test': 1})
    """
    if (rows := given_rows(corpus)) is not None:
        own_name = name or (Path(corpus).name.split(".")[0] if isinstance(corpus, str | os.PathLike) else None)
        return open_given(
            own_name, rows, queries, _gains(qrels), split, chunking=chunking_of(chunk_tokens, chunk_overlap)
        )
    found = open_source(source_of(corpus, name, chunk_tokens=chunk_tokens, chunk_overlap=chunk_overlap))
    if queries is not None or qrels is not None:
        raise UsageError(f"{found.name}: has queries and judgements of its own", do="leave queries and qrels out")
    return found


def source_of(
    corpus: CorpusLike | Documents,
    name: str | None = None,
    *,
    chunk_tokens: int | None = None,
    chunk_overlap: float | None = None,
) -> Source:
    """Where a corpus comes from; one that is given as objects or as a file is kept first. Raises as `open_corpus`."""
    chunking = chunking_of(chunk_tokens, chunk_overlap)
    if isinstance(corpus, Corpus):
        if chunking:
            raise UsageError(f"{corpus.name}: is open, as it was cut", do="give the chunks' size to open_corpus")
        return corpus.source
    if given_rows(corpus) is not None:
        return open_corpus(corpus, name=name, chunk_tokens=chunk_tokens, chunk_overlap=chunk_overlap).source
    assert isinstance(corpus, str | os.PathLike)
    if isinstance(corpus, str) and name is None:
        return resolve(corpus, chunking=chunking)
    folder = Path(corpus).expanduser()
    return resolve(name or folder.resolve().name, folder, chunking)


def given_rows(corpus: CorpusLike | Documents) -> Callable[[], Iterable[Row]] | None:
    """The documents of a corpus that is given as objects or as a file; None of one that is found by name or folder."""
    if isinstance(corpus, Corpus):
        return None
    if not isinstance(corpus, str | os.PathLike):
        return _rows(corpus)
    path = Path(corpus).expanduser()
    return (lambda: file_rows(path)) if path.is_file() and path.name.endswith(_FILES) else None


def _gains(qrels: Mapping[str, Mapping[str, int] | Collection[str]] | None) -> dict[str, Mapping[str, int]]:
    return {
        query: found if isinstance(found, Mapping) else dict.fromkeys(found, 1)
        for query, found in (qrels or {}).items()
    }


def _rows(documents: Any) -> Callable[[], Iterable[Row]]:
    """The documents, as often as they are asked for."""
    kind = type(documents)
    library = kind.__module__.partition(".")[0]
    if isinstance(documents, pl.DataFrame):
        return lambda: frame_rows(documents, "the frame")
    if library == "pandas":
        frame = pl.from_pandas(documents)
        return lambda: frame_rows(frame, "the frame")
    if library == "datasets":
        if kind.__name__ not in ("Dataset", "IterableDataset"):
            raise UsageError(f"a {kind.__name__} is several datasets", do='give one split of it, e.g. found["train"]')
        return lambda: _dataset_rows(documents)
    if isinstance(documents, Mapping):
        return lambda: ((str(key), *_row(repr(key), document)[1:]) for key, document in documents.items())
    if isinstance(documents, Sequence):
        return lambda: (_row(number, document) for number, document in enumerate(documents))
    raise UsageError(
        f"a {kind.__name__} is no corpus", do="give a list, a dict, a frame, a Dataset, a path or a corpus's name"
    )


def _dataset_rows(dataset: Any) -> Iterable[Row]:
    for table in dataset.with_format("arrow").iter(8192):
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        yield from frame_rows(frame, "the Dataset")


def _row(which: int | str, document: object) -> Row:
    if isinstance(document, str):
        return "", "", document
    if not isinstance(document, Mapping):
        raise InputError(f"document {which}: is a {type(document).__name__}", do="give a text or a dict with a text")
    found = {
        column: next((document[name] for name in names if document.get(name) is not None), None)
        for column, names in ACCEPTED["documents"].items()
    }
    if found["text"] is None:
        raise InputError(
            f"document {which}: has no text among {', '.join(map(str, document)) or 'no keys'}",
            do=f"name it {', '.join(ACCEPTED['documents']['text'])}",
        )
    for key, value in found.items():
        if isinstance(value, Mapping | list | tuple):
            raise InputError(f"document {which}: its {key} is a {type(value).__name__}", do="give it as a string")
    document_id, title, text = ("" if found[key] is None else str(found[key]) for key in ("id", "title", "text"))
    return document_id, title, text
