"""Corpora as they are given: lists, dicts, frames, Datasets, files and folders are one corpus; ids stay."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hnhub
from hnhub.corpus.given import content_id
from hnhub.errors import InputError, UsageError

ROWS = [
    {"_id": "a", "title": "Kettles", "text": "They boil water."},
    {"_id": "b", "title": "", "text": "Rivers carry boats."},
    {"_id": "c", "title": "Ice", "text": "Glaciers are old ïce."},
]


def jsonl(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def csv(folder: Path) -> str:
    pl.DataFrame(ROWS).write_csv(folder / "rows.csv")
    return str(folder / "rows.csv")


FORMS: dict[str, Callable[[Path], Any]] = {
    "dicts": lambda _: ROWS,
    "polars": lambda _: pl.DataFrame(ROWS),
    "pandas": lambda _: pd.DataFrame(ROWS),
    "Dataset": lambda _: datasets.Dataset.from_list(ROWS),
    "selected Dataset": lambda _: datasets.Dataset.from_list([*ROWS[::-1], {"_id": "z"}]).select([2, 1, 0]),
    "IterableDataset": lambda _: datasets.Dataset.from_list(ROWS).to_iterable_dataset(),
    "by id": lambda _: {row["_id"]: {"title": row["title"], "text": row["text"]} for row in ROWS},
    "other names": lambda _: [{"id": r["_id"], "title": r["title"], "passage": r["text"], "more": 1} for r in ROWS],
    "jsonl": jsonl,
    "csv": csv,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_corpus(form: str, tmp_path: Path) -> None:
    corpus = hnhub.open_corpus(FORMS[form](tmp_path), name="three")
    assert corpus.to_frame().rows() == [tuple(row.values()) for row in ROWS]
    assert corpus.documents == 3
    assert corpus == hnhub.open_corpus(ROWS, name="three")
    assert "documents       3" in repr(corpus)


TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=8)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, TEXTS)
def test_ids_stay_whatever_else_is_given_and_nothing_disappears(texts: list[str], more: list[str]) -> None:
    if not any(text.strip() for text in texts):
        with pytest.raises(InputError, match="holds no document"):
            hnhub.open_corpus(texts)
        return
    first, second = hnhub.open_corpus(texts), hnhub.open_corpus([*more, *texts])
    ids = dict(first.to_frame().select("text", "document_id").iter_rows())
    assert set(ids) == {text for text in texts if text.strip()}
    later = dict(second.to_frame().select("text", "document_id").iter_rows())
    assert all(later[text] == document_id == content_id("", text) for text, document_id in ids.items())
    assert first.documents + first.to_frame("ledger").height == len(texts)


def test_what_is_left_out_stands_in_the_ledger() -> None:
    corpus = hnhub.open_corpus(["one", " ", "two", "one"], name="some")
    assert dict(corpus.dropped or {}) == {"duplicate": 1, "empty": 1}
    assert corpus.to_frame("ledger").select("reason", "detail").rows() == [
        ("empty", "document 1: no title and no text"),
        ("duplicate", "document 3: given before"),
    ]


def test_a_corpus_of_ones_own_is_evaluated_on() -> None:
    texts = {"a": "kettles boil water", "b": "rivers carry boats", "c": "ice is old"}
    asked = {"1": "boats", "2": "old ice", "3": "not judged"}
    corpus = hnhub.open_corpus(texts, name="own", queries=asked, qrels={"1": {"b": 2, "a": 0}, "2": ["c"]})
    found = hnhub.evaluate("bm25", corpus, measures=["nDCG@10"])
    assert found.measures == {"nDCG@10": 1.0}
    assert found.to_frame()["query_id"].to_list() == ["1", "2"]
    with pytest.raises(InputError, match="no judgements in split 'dev'; use one of: test"):
        hnhub.evaluate("bm25", corpus, split="dev")
    with pytest.raises(InputError, match="give queries and qrels"):
        hnhub.evaluate("bm25", hnhub.open_corpus(texts))


def test_a_folder_a_path_and_a_name(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_path = hnhub.open_corpus(made)
    monkeypatch.setenv("HNHUB_CORPORA", str(made.parent))
    assert hnhub.open_corpus("made") == by_path == hnhub.open_corpus(str(made)) == hnhub.open_corpus(by_path)
    assert (by_path.documents, dict(by_path.judged)) == (300, {"train": 45, "test": 15})
    assert hnhub.open_corpus(made, name="other").name == "other"
    assert "<td>documents</td>" not in by_path._repr_html_()[:60]
    assert "train 45, test 15" in by_path._repr_html_()


@pytest.mark.parametrize(
    ("given", "words", "kind"),
    [
        ([{"title": "no text"}], "document 0: has no text among title", InputError),
        ([{"_id": "a", "text": "x"}, {"_id": "a", "text": "y"}], "document 1: id 'a' stands there already", InputError),
        ([["x"]], "document 0: is a list", InputError),
        (["\ud83d"], "document 0 is no valid Unicode", InputError),
        ({"a": None}, "document 'a': is a NoneType", InputError),
        ([{"text": ["x"]}], "document 0: its text is a list; give it as a string", InputError),
        (pl.DataFrame({"text": [["x"]]}), r"column text holds List\(String\), not texts", InputError),
        (pl.DataFrame({"words": ["x"]}), "no column of texts among words", InputError),
        (datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)}), "several datasets", UsageError),
        (3, "a int is no corpus", UsageError),
        ([], "holds no document", InputError),
    ],
)
def test_bad_corpora_are_refused(given: Any, words: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=words):
        hnhub.open_corpus(given, name="bad")


@pytest.mark.parametrize(
    ("query", "gain", "words"),
    [
        ("y", 0.5, "judged 0.5; give a whole"),
        ("y", "1", "judged '1'"),
        (None, 1, "'1' is None"),
        ("\ud83d", 1, "Unicode"),
    ],
)
def test_queries_are_texts_and_gains_whole_numbers(query: Any, gain: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        hnhub.open_corpus({"a": "x"}, queries={"1": query}, qrels={"1": {"a": gain}})


def test_a_query_without_text_stands_in_the_ledger() -> None:
    corpus = hnhub.open_corpus({"a": "x"}, queries={"1": " ", "2": "x"}, qrels={"1": ["a"], "2": {"a": np.int64(2)}})
    assert dict(corpus.dropped or {}) == {"empty": 1, "empty-query": 1}
    assert corpus.to_frame("qrels").rows() == [("test", "2", "a", 2)]


def test_judgements_must_be_on_what_is_there(made: Path) -> None:
    with pytest.raises(InputError, match="document 'z' is judged"):
        hnhub.open_corpus({"a": "x"}, queries={"1": "y"}, qrels={"1": ["z"]})
    with pytest.raises(InputError, match="query '2' is judged"):
        hnhub.open_corpus({"a": "x"}, queries={"1": "y"}, qrels={"2": ["a"]})
    with pytest.raises(UsageError, match="of its own"):
        hnhub.open_corpus(made, queries={"1": "y"}, qrels={"1": ["d0"]})
