"""Whole documents to one part each, nothing nearly the same in two, and the set that is held out."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnhub import schema
from hnhub.adaptation.held_out import make_held_out
from hnhub.adaptation.split import check_apart, make_part, make_split
from hnhub.errors import InputError
from hnhub.records import parent_of
from hnhub.text.similarity import best_near
from small_corpus import WORDS

FACTS = {"corpus": "made", "revision": "r", "chunked": True}


def text(i: int) -> str:
    return " ".join(f"{WORDS[(i * 7 + k * k + i * k) % 32]}{i}" for k in range(12))


def write(folder: Path, texts: dict[str, str], judged: dict[str, str] | None = None) -> Path:
    folder.mkdir(parents=True)
    rows = [(document_id, "", text) for document_id, text in texts.items()]
    pl.DataFrame(rows, schema=schema.DOCUMENTS, orient="row").write_parquet(folder / "documents.parquet")
    queries = [("test", query, f"what is {query}") for query in judged or {}]
    qrels = [("test", query, document, 1) for query, document in (judged or {}).items()]
    pl.DataFrame([*queries, ("unjudged", "u", "what else")], schema=schema.QUERIES, orient="row").write_parquet(
        folder / "queries.parquet"
    )
    pl.DataFrame(qrels, schema=schema.QRELS, orient="row").write_parquet(folder / "qrels.parquet")
    return folder


def split(corpus: Path, out: Path, **changes: object) -> tuple[dict[str, object], dict[str, str | None], pl.DataFrame]:
    out.mkdir()
    options = {"chunked": True, "judged": (), "test": 0.2, "dev": 0.1, "seed": 0, **changes}
    facts = make_split(out, corpus, **options)  # type: ignore[arg-type]
    parts = pl.read_parquet(out / "parts.parquet")
    return facts, dict(parts.iter_rows()), pl.read_parquet(out / "ledger.parquet")


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=20, max_size=40),
    test=st.floats(0.15, 0.5),
    dev=st.floats(0, 0.2),
    seed=st.integers(0, 99),
    judged=st.sets(st.integers(0, 19), max_size=5),
)
def test_documents_stay_whole_and_parts_have_their_share(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], test: float, dev: float, seed: int, judged: set[int]
) -> None:
    place = tmp_path_factory.mktemp("split")
    ids = [f"f{i}#{n}" for i, size in enumerate(sizes) for n in range(size)]
    corpus = write(place / "corpus", {one: text(i) for i, one in enumerate(ids)})
    wanted = {f"f{i}#0" for i in judged}
    try:
        facts, parts, _ = split(corpus, place / "one", test=test, dev=dev, seed=seed, judged=wanted)
    except InputError:
        return  # few passages
    assert list(parts) == ids
    by_document: dict[str, set[str | None]] = {}
    for one, part in parts.items():
        by_document.setdefault(parent_of(one), set()).add(part)
    assert all(len(found) == 1 for found in by_document.values())
    assert all(parts[one] == "test" for one in wanted)
    size = sum(part == "test" for part in parts.values())
    assert size >= test * len(ids)
    assert size < test * len(ids) + 6 + sum(sizes[i] for i in judged)
    assert split(corpus, place / "two", test=test, dev=dev, seed=seed, judged=wanted)[1] == parts
    assert facts["passages"] == {name: list(parts.values()).count(name) for name in ("train", "dev", "test")}


def test_near_copies_do_not_stand_on_both_sides(tmp_path: Path) -> None:
    texts = {f"d{i}": text(i) for i in range(60)} | {f"copy{i}": text(i) + " again" for i in range(60)}
    corpus = write(tmp_path / "corpus", texts)
    facts, parts, ledger = split(corpus, tmp_path / "out", chunked=False, test=0.3)
    assert set(ledger["reason"]) == {"near_test", "near_train"}
    assert facts["dropped"] == dict(ledger["reason"].value_counts(sort=True).sort("reason").iter_rows())
    for name, others in (("train", ("test", "dev")), ("dev", ("test",))):
        here = [texts[one] for one, part in parts.items() if part == name]
        there = [texts[one] for one, part in parts.items() if part in others]
        assert best_near(here, there) == [None] * len(here)
    (row,) = ledger.filter(pl.col("reason") == "near_test").head(1).rows(named=True)
    assert parts[row["document_id"]] is None
    assert parts[row["detail"].removeprefix("near ")] == "test"


def test_a_part_is_a_corpus_without_judgements(tmp_path: Path) -> None:
    corpus = write(tmp_path / "corpus", {f"d{i}": text(i) for i in range(40)}, {"q": "d3"})
    _, parts, _ = split(corpus, tmp_path / "split", chunked=False, judged={"d3"})
    (tmp_path / "part").mkdir()
    facts = make_part(tmp_path / "part", corpus, tmp_path / "split", ("train", "dev"), name="made", facts=FACTS)
    documents = pl.read_parquet(tmp_path / "part" / "documents.parquet")["document_id"].to_list()
    assert documents == [one for one, part in parts.items() if part in ("train", "dev")]
    assert pl.read_parquet(tmp_path / "part" / "queries.parquet")["query_id"].to_list() == ["q"]
    assert pl.read_parquet(tmp_path / "part" / "qrels.parquet").is_empty()
    assert facts["evaluation_splits"] == ["test"]
    assert facts["revision"].startswith("r-train-dev-")


def test_a_training_row_with_a_test_passage_is_refused(tmp_path: Path) -> None:
    texts = {f"d{i}": text(i) for i in range(40)}
    corpus = write(tmp_path / "corpus", texts)
    _, parts, _ = split(corpus, tmp_path / "split", chunked=False)
    train = [texts[one] for one, part in parts.items() if part == "train"]
    test = next(texts[one] for one, part in parts.items() if part == "test")
    rows = pl.DataFrame({"query": [test], "positive": [train[0]], "negative_1": [train[1]]})
    assert check_apart([rows], corpus, tmp_path / "split") == 2
    touched = rows.with_columns(negative_1=pl.lit(test + " indeed"))
    with pytest.raises(InputError, match="holds test passage"):
        check_apart([touched], corpus, tmp_path / "split")


def test_too_few_documents_are_refused(tmp_path: Path) -> None:
    corpus = write(tmp_path / "corpus", {f"d{i}": text(i) for i in range(12)})
    with pytest.raises(InputError, match="passages are left for"):
        split(corpus, tmp_path / "split", chunked=False)


def test_near_copies_of_a_positive_are_relevant(tmp_path: Path) -> None:
    texts = {f"d{i}": text(i) for i in range(20)} | {"copy": text(3) + " again"}
    corpus = write(tmp_path / "corpus", texts)
    provenance = dict.fromkeys(field.name for field in schema.PROVENANCE.fields) | {"style": "keyword"}
    rows = [("train", f"q-d{i}", f"what of {i}", [f"d{i}"], provenance) for i in (3, 4)]
    pl.DataFrame(rows, schema=schema.FROZEN_QUERIES, orient="row").write_parquet(tmp_path / "queries.parquet")
    out = tmp_path / "held-out"
    out.mkdir()
    facts = make_held_out(out, corpus, tmp_path / "queries.parquet")
    assert facts == {"queries": 2, "judgements": 3, "near_copies": 1, "styles": {"keyword": 2}}
    assert (out / "qrels" / "test.tsv").read_text().splitlines()[1:] == ["q-d3\td3\t1", "q-d3\tcopy\t1", "q-d4\td4\t1"]
    assert len((out / "corpus.jsonl").read_text().splitlines()) == 21
    assert json.loads((out / "queries.jsonl").read_text().splitlines()[0])["metadata"]["style"] == "keyword"
