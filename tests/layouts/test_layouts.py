"""`hnhub export`: every layout's rows, and each read by its own project."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hnhub
from hnhub.errors import InputError, UsageError
from hnhub.layouts.formats import FORMATS
from hnhub.layouts.group import Group, Options, Passage
from hnhub.layouts.lines import tsv_line
from small_run import RECIPE, make_dataset

READERS = Path(__file__).with_name("readers.py")
TEXT = "The {0} changes its colour in the rain, ünlike the other {1}."


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("run"))


PEERS = Path(os.environ.get("HNHUB_PEERS", Path(sys.prefix) / "peers"))
EXPORTED: dict[str, dict[str, Any]] = {
    "flag_embedding": {"to": "flag-embedding", "method": "bm25", "scores": True, "prompt": "Find it: "},
    "flag_reranker": {"to": "flag-embedding", "method": "bm25", "scores": True},
    "tevatron": {"to": "tevatron", "method": "llm"},
    "pylate": {"to": "pylate", "method": "bm25"},
    "colbert": {"to": "colbert", "method": "bm25", "scores": True},
    "beir": {"to": "beir", "method": "bm25"},
}
TRAINED_ON = [
    ("labeled-list", False, {"labels": [1, 0, 0]}),
    ("labeled-list", True, {"scores": [9.5, 7.25, 6.0]}),
    ("labeled-pair", False, {"label": 1}),
    ("labeled-pair", True, {"score": 9.5}),
    ("n-tuple", True, {"score": [9.5, 7.25, 6.0]}),
]


def rows_of(dataset: Path, place: Path, exported: Mapping[str, Mapping[str, Any]], **more: str) -> dict[str, Any]:
    """Each export's first row as the project that it is for reads it."""
    for name, options in exported.items():
        hnhub.export(dataset, place / "exports" / name, **options)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", READERS, place / "exports"],
        env={**os.environ, "HF_HOME": str(place / "hf"), **more}, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def read(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By the projects of peers.txt."""
    if not PEERS.is_dir():
        pytest.skip(f"no {PEERS}: pip install --no-deps --target {PEERS} -r tests/layouts/peers.txt")
    return rows_of(dataset, tmp_path_factory.mktemp("peers"), EXPORTED, PYTHONPATH=str(PEERS))


@pytest.fixture(scope="module")
def read_by_datasets(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    exported = {
        f"sentence_transformers-{layout}-{scores}": {"to": layout, "method": "bm25", "scores": scores}
        for layout, scores, _ in TRAINED_ON
    }
    return rows_of(dataset, tmp_path_factory.mktemp("datasets"), exported)


def test_flag_embedding_reads_it(read: dict[str, Any]) -> None:
    query, passages, scores = read["flag_embedding"]
    assert query == "Find it: what about the kettle in rain 0?"
    assert passages[0] == "The kettle " + TEXT.format("kettle", 0)
    assert scores[0] == 9.5
    assert sorted(scores[1:]) == [6.0, 7.25]


def test_flag_embeddings_reranker_reads_it(read: dict[str, Any]) -> None:
    pairs, scores = read["flag_reranker"]
    assert pairs[0] == ["what about the kettle in rain 0?", "The kettle " + TEXT.format("kettle", 0)]
    assert sorted(scores, reverse=True) == [9.5, 7.25, 6.0]


def test_tevatron_reads_it(read: dict[str, Any]) -> None:
    row = read["tevatron"]
    assert " ".join(row["query"]) == "what about the kettle in rain 0?"
    assert " ".join(row["positives"][0]) == "The kettle " + TEXT.format("kettle", 0)
    assert [" ".join(one) for one in row["negatives"]] == [
        f"A kettle can be bought in {n} shops of the town." for n in (1, 2)
    ]


def test_pylate_reads_it(read: dict[str, Any]) -> None:
    row = read["pylate"]
    assert row["query"] == "what about the kettle in rain 0?"
    assert row["scores"] == [9.5, 7.25, 6.0]
    assert row["document_ids"] == ["d0-2", "d0-1", "d1-3"]
    assert [text.split(" ")[1] for text in row["documents"]] == ["kettle", "kettle", "river"]


def test_colbert_reads_it(read: dict[str, Any]) -> None:
    query, *passages = read["colbert"]
    assert query == "what about the kettle in rain 0?"
    assert [text.split(" ")[1] for text in passages] == ["kettle", "kettle", "river"]


def test_beir_reads_it(read: dict[str, Any]) -> None:
    expected = {"d0-2": "The kettle " + TEXT.format("kettle", 0)}
    assert read["beir"] == {"query": "what about the kettle in rain 0?", "documents": expected}


def test_hnhub_reads_its_beir_folder(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    done = hnhub.export(dataset, tmp_path / "x", to="beir", method="bm25")
    corpus = hnhub.open_corpus(tmp_path / "x", name="again")
    assert pl.read_parquet(corpus.folder / "documents.parquet").height == done.lines["corpus.jsonl"]
    assert pl.read_parquet(corpus.folder / "qrels.parquet").height == done.lines["qrels/train.tsv"] == 11


@pytest.mark.parametrize(("layout", "scores", "row"), TRAINED_ON)
def test_datasets_reads_what_sentence_transformers_trains_on(
    read_by_datasets: dict[str, Any], layout: str, scores: bool, row: dict[str, object]
) -> None:
    found = read_by_datasets[f"sentence_transformers-{layout}-{scores}"]
    assert found["query"] == "what about the kettle in rain 0?"
    assert {name: found[name] for name in row} == row
    assert next(iter(found)) == "query"


def test_triples_have_three_cells_a_line(dataset: Path, tmp_path: Path) -> None:
    done = hnhub.export(dataset, tmp_path / "x", to="triples", method="bm25")
    lines = (tmp_path / "x" / "train.tsv").read_text(encoding="utf-8").split("\n")[:-1]
    assert len(lines) == done.lines["train.tsv"] == 22
    assert {line.count("\t") for line in lines} == {2}


@pytest.mark.parametrize("layout", FORMATS)
def test_equal_data_gives_equal_bytes(dataset: Path, tmp_path: Path, layout: str) -> None:
    for place in ("a", "b"):
        hnhub.export(dataset, tmp_path / place, to=layout, method="bm25")
    names = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_what_is_left_out_is_counted(dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    done = hnhub.export(dataset, tmp_path / "a", to="n-tuple", method="bm25")
    assert (done.lines["train.jsonl"], done.left_out) == (11, {"too_few_negatives": 1})
    assert not caplog.messages
    done = hnhub.export(dataset, tmp_path / "b", to="pylate", method="llm")
    assert done.left_out == {"no_score": 11}  # nobody scored what a model wrote; the other query has no candidate
    assert caplog.messages == [f"{tmp_path / 'b'}: no line was written (left out: no_score 11)"]
    done = hnhub.export(dataset, tmp_path / "c", to="n-tuple", method="bm25", negatives=3)
    assert done.left_out == {"too_few_negatives": 12}


@pytest.mark.parametrize("reason", ["outside_window", "not_judged"])
def test_what_window_or_judge_did_not_offer_is_no_further_negative(tmp_path: Path, reason: str) -> None:
    def hide(out: Path) -> None:
        (path,) = (out / "data" / "bm25-scored").iterdir()
        second = pl.col("position") == 2
        frame = pl.read_parquet(path).with_columns(
            pl.when(second).then(pl.lit(reason)).otherwise("reason").alias("reason")
        )
        frame.with_columns(pl.when(~second).then("position").alias("position")).write_parquet(path)

    dataset = make_dataset(tmp_path, recipe=replace(RECIPE, negatives=1), shortfall=False, change=hide)
    hnhub.export(dataset, tmp_path / "x", to="flag-embedding", method="bm25", negatives=5)
    rows = [json.loads(line) for line in (tmp_path / "x" / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [len(row["neg"]) for row in rows] == [1] * 12


def test_a_dataset_that_keeps_short_rows_has_them_in_lists(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, recipe=replace(RECIPE, on_shortfall="keep"))
    done = hnhub.export(dataset, tmp_path / "x", to="labeled-list", method="bm25")
    rows = [json.loads(line) for line in (tmp_path / "x" / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert Counter(len(row["documents"]) for row in rows) == {3: 11, 2: 1}
    assert not done.left_out


def test_ids_only_need_the_users_copy(tmp_path: Path) -> None:
    dataset = make_dataset(
        tmp_path, publish_text=False, recipe=replace(RECIPE, queries_from="qrels", methods=("bm25",))
    )
    with pytest.raises(InputError, match="publishes ids only"):
        hnhub.export(dataset, tmp_path / "x", to="triples")
    whole = make_dataset(tmp_path / "whole", recipe=replace(RECIPE, queries_from="qrels", methods=("bm25",)))
    for place, data, corpus in (("a", dataset, tmp_path / "corpus"), ("b", whole, None)):
        hnhub.export(data, tmp_path / place, to="triples", corpus=corpus)
    assert (tmp_path / "a" / "train.tsv").read_bytes() == (tmp_path / "b" / "train.tsv").read_bytes()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"to": "colbret"}, "did you mean 'colbert'"),
        ({"to": "beir"}, "has llm, bm25; name one by --method"),
        ({"to": "beir", "method": "ce"}, "has no negatives by ce"),
        ({"to": "beir", "method": "bm25", "splits": ["dev"]}, "has no split 'dev'"),
        ({"to": "triples", "method": "bm25", "scores": True}, "no place for scores"),
        ({"to": "beir", "method": "bm25", "prompt": "x"}, "no place for a prompt"),
        ({"to": "beir", "method": "bm25", "negatives": 0}, "makes no sense"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    dataset: Path, tmp_path: Path, options: dict[str, object], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        hnhub.export(dataset, tmp_path / "x", **options)
    assert not list(tmp_path.iterdir())


def test_the_command_line(dataset: Path, tmp_path: Path, hnhub) -> None:
    done = hnhub("export", dataset, "--to", "colbert", "--method", "bm25", "--out", tmp_path / "x")
    assert done.returncode == 0, done.stderr
    assert "collection.tsv" in done.stdout
    assert "read it by: colbert.Trainer" in done.stdout
    again = hnhub("export", dataset, "--to", "colbert", "--method", "bm25", "--out", tmp_path / "x")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert (tmp_path / "x" / "README.md").read_text(encoding="utf-8").startswith("---\nlicense: unknown\n---\n# ")


PASSAGES = st.lists(
    st.builds(Passage, st.uuids().map(str), st.text(), st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 99),
              st.booleans()), min_size=1, max_size=3,
).map(tuple)  # fmt: skip


@given(st.builds(Group, st.just("train"), st.just("q"), st.text(), st.integers(0), PASSAGES, PASSAGES), st.booleans())
def test_every_line_of_every_layout_is_one_line(group: Group, scores: bool) -> None:
    for layout in FORMATS.values():
        for table in layout.tables:
            for line in table.lines(group, Options(scores=scores or bool(layout.scores))):
                assert "\n" not in line
                assert "\r" not in line
                line.encode()
                if table.name.endswith(".jsonl"):
                    json.loads(line)


@given(st.lists(st.text(), min_size=1))
def test_cells_come_back_but_for_their_breaks(cells: list[str]) -> None:
    found = tsv_line(*cells).split("\t")
    assert len(found) == len(cells)
    for cell, one in zip(cells, found, strict=True):
        if not set("\t\r\n") & set(cell):
            assert one == cell


def test_numbers_do_not_depend_on_the_order_of_hashes(dataset: Path, tmp_path: Path) -> None:
    for seed in random.Random(7).sample(range(1000), 2):
        subprocess.run(
            [sys.executable, "-m", "hnhub", "export", dataset, "--to", "colbert", "--method", "bm25", "--out",
             tmp_path / str(seed)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)}, check=True, capture_output=True,
        )  # fmt: skip
    one, other = tmp_path.iterdir()
    for name in ("train.jsonl", "queries.tsv", "collection.tsv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
