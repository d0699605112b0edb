"""The demo corpus, on the Python that runs the test."""

import sys
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from hnhub.corpus import pydocs
from hnhub.corpus.catalog import CATALOG
from hnhub.corpus.load import make_corpus, resolve
from hnhub.corpus.pydocs_queries import JUDGEMENTS

KNOWN = {(3, 11), (3, 12), (3, 13)}
"""The Pythons whose text was seen; in a newer one, a sentence may be gone."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pydocs")
    facts = make_corpus(out, resolve("pydocs"))
    version = ".".join(map(str, sys.version_info[:3]))
    assert facts["revision"] == f"python-{version}"
    assert facts["source"]["pydocs"]["python"] == version
    assert facts["licence"] == "psf-2.0"
    return out


def test_judgements_resolve(made: Path) -> None:
    unresolved = pl.read_parquet(made / "ledger.parquet")
    quotes = sum(len(quotes) for _, _, quotes in JUDGEMENTS)
    if sys.version_info[:2] in KNOWN:
        assert unresolved.is_empty(), unresolved.rows()
    assert unresolved.height <= quotes // 10, unresolved.rows()
    assert pl.read_parquet(made / "qrels.parquet").height == quotes - unresolved.height


def test_queries_are_what_the_catalog_says() -> None:
    assert Counter(split for split, _, _ in JUDGEMENTS) == CATALOG["pydocs"].judged_queries
    assert len({query for _, query, _ in JUDGEMENTS}) == len(JUDGEMENTS)
    assert sum(len(quotes) > 1 for _, _, quotes in JUDGEMENTS) >= 7


def test_queries_are_in_our_own_words(made: Path) -> None:
    """No query holds more than five words in a row of a passage that it is judged with."""
    documents = dict(pl.read_parquet(made / "documents.parquet").select("document_id", "text").iter_rows())
    queries = dict(pl.read_parquet(made / "queries.parquet").select("query_id", "text").iter_rows())
    for query_id, document_id in pl.read_parquet(made / "qrels.parquet").select("query_id", "document_id").iter_rows():
        words = queries[query_id].lower().split()
        passage = " ".join(documents[document_id].lower().split())
        runs = [" ".join(words[start : start + 6]) for start in range(len(words) - 5)]
        assert not [run for run in runs if run in passage]


def test_passages(made: Path) -> None:
    documents = pl.read_parquet(made / "documents.parquet")
    words = sorted(len(text.split()) for text in documents["text"])
    assert documents.height > 350
    assert 80 < words[len(words) // 2] < 150
    assert words[len(words) // 20] > 20
    assert words[-len(words) // 50] < 300
    assert documents["text"].is_unique().all()
    assert not documents["title"].str.contains('"').any()
    assert "assert-1" in documents["document_id"]
    row = documents.row(by_predicate=pl.col("document_id") == "assert-1")
    assert row[1] == "The assert statement"
    assert "See also:" not in "".join(documents["text"])
    assert not documents["text"].str.contains(r"(?m)^[*=\-~]{4,}$").any()


def test_cutting_keeps_code_together_and_unwraps_prose() -> None:
    text = """The "try" trick
***************

Some prose that *emphasis* makes longer
than a line, well-
known to all:

   >>> x = 1

   >>> y = 2

object.__len__(self)

   Called to implement "len()".

See also:

  **PEP 0** - Index

-[ Footnotes ]-

[1] Never mind.
"""
    (document,) = pydocs.passages({"try": text})
    assert (document.document_id, document.title) == ("try-1", "The try trick")
    assert document.text.split("\n") == [
        "Some prose that emphasis makes longer than a line, well-known to all:",
        "   >>> x = 1",
        "   >>> y = 2",
        "object.__len__(self)",
        'Called to implement "len()".',
    ]


def test_repeated_text_stands_in_the_shortest_topic_only() -> None:
    part = "Part\n****\n\n" + "This sentence has more than three words. " * 8
    whole = "Whole\n*****\n\n" + "A beginning of its own with some words. " * 8 + "\n\n\n" + part.replace("*", "=")
    found = {document.document_id: document.title for document in pydocs.passages({"whole": whole, "part": part})}
    assert found == {"part-1": "Part", "whole-1": "Whole"}
