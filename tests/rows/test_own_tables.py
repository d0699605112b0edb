"""What a user puts in a stage's place is looked at before anything is made."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import hnhub
from hnhub.errors import InputError
from hnhub.rows.own_tables import check_own_tables
from hnhub.schema import CANDIDATES, DOCUMENTS, FROZEN_QUERIES, NEGATIVES, PROVENANCE, QRELS, QUERIES
from small_corpus import write_corpus


def write(folder: Path, name: str, schema: pl.Schema) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(schema=schema).write_parquet(folder / f"{name}.parquet")
    return folder


def without(schema: pl.Schema, name: str) -> pl.Schema:
    return pl.Schema({column: dtype for column, dtype in schema.items() if column != name})


def test_columns_that_serve_are_taken(tmp_path: Path) -> None:
    write(tmp_path / "corpus", "documents", pl.Schema({"source": pl.String, **dict(reversed(DOCUMENTS.items()))}))
    write(tmp_path / "corpus", "queries", QUERIES)
    check_own_tables(write(tmp_path / "corpus", "qrels", pl.Schema({**QRELS, "score": pl.Int64})), "corpus")
    check_own_tables(write(tmp_path / "mine", "candidates", pl.Schema({**CANDIDATES, "text": pl.Null})), "candidates")
    check_own_tables(tmp_path / "anything", "dataset")


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        (without(FROZEN_QUERIES, "query"), r"split \(String\), query_id \(String\), positive_ids"),
        (
            pl.Schema({**FROZEN_QUERIES, "positive_ids": pl.String}),
            r"positive_ids \(String\).*, not .*\(list of String\)",
        ),
        (pl.Schema({**FROZEN_QUERIES, "query_id": pl.Int64}), r"query_id \(Int64\)"),
        (pl.Schema({**FROZEN_QUERIES, "more": pl.String}), r"more \(String\)"),
        (pl.Schema({**FROZEN_QUERIES, "provenance": pl.Null}), r"provenance \(Null\)"),
        (
            pl.Schema({**FROZEN_QUERIES, "provenance": pl.Struct({**dict(PROVENANCE), "seed": pl.Int32})}),
            r"seed \(Int32\).*, not .*seed \(Int64\)",
        ),
    ],
)
def test_others_are_named_with_those_that_are_wanted(tmp_path: Path, schema: pl.Schema, found: str) -> None:
    with pytest.raises(InputError, match=rf"queries/queries\.parquet: has the columns .*{found}"):
        check_own_tables(write(tmp_path / "queries", "queries", schema), "queries")


def test_what_rows_are_assembled_of_has_the_very_types(tmp_path: Path) -> None:
    folder = write(tmp_path / "negatives", "negatives", pl.Schema({**NEGATIVES, "rank": pl.Int64}))
    with pytest.raises(InputError, match=r"rank \(Int64\).*, not .*rank \(Int32\)"):
        check_own_tables(folder, "negatives")


def test_numbers_of_another_type_in_candidates_give_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    corpus = write_corpus(tmp_path / "corpora" / "made")
    run = hnhub.build(corpus, name="made", methods=["bm25"], queries_from="qrels", out=tmp_path / "out")
    made = run.to_frame("bm25-scored")
    own = run.folder.parent / "candidates" / "bm25"
    (own / "stage.json").unlink()
    numbers = {"label": pl.Int64, "rank": pl.Int64, "score": pl.Float32}
    pl.read_parquet(own / "candidates.parquet").cast(numbers).write_parquet(own / "candidates.parquet")
    again = hnhub.build(corpus, name="made", methods=["bm25"], queries_from="qrels", out=tmp_path / "out")
    assert_frame_equal(again.to_frame("bm25-scored"), made, rel_tol=1e-6)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"queries/queries\.parquet: is missing"):
        check_own_tables(write(tmp_path / "queries", "mine", FROZEN_QUERIES), "queries")


def test_a_build_finds_it_out_before_it_makes_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    run = tmp_path / "out" / "made"
    write(run / "negatives" / "bm25", "negatives", pl.Schema({"query": pl.String, "text": pl.String}))
    corpus = write_corpus(tmp_path / "corpora" / "made")
    with pytest.raises(InputError, match=r"negatives\.parquet: has the columns query \(String\), text"):
        hnhub.build(corpus, name="made", methods=["bm25"], queries_from="qrels", out=tmp_path / "out")
    assert not (run / "corpus").exists()
