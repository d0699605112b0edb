from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hnhub import schema
from hnhub.errors import InputError
from hnhub.records import contents
from hnhub.rows.assemble import _write_held_out, make_rows
from small_run import RECIPE, make_stages


def rows_of(out: Path, config: str) -> pl.DataFrame:
    return pl.read_parquet(out / "data" / config / "*.parquet")


def assembled(root: Path, **changes: Any) -> Path:
    stages = make_stages(root) if not (root / "corpus").exists() else {
        "corpus": root / "corpus", "queries": root / "queries", "bm25": root / "negatives/bm25", "llm": root / "negatives/llm",
    }  # fmt: skip
    given = {"corpus": stages["corpus"], "queries": stages["queries"], "recipe": RECIPE}
    given |= {"negatives": {method: stages[method] for method in ("bm25", "llm")}} | changes
    out = root / f"out{len(list(root.glob('out*')))}"
    out.mkdir()
    make_rows(out, **given)
    return out


def test_training_rows_hold_the_texts_of_the_chosen(tmp_path: Path) -> None:
    out = assembled(tmp_path)
    documents = pl.read_parquet(tmp_path / "corpus/documents.parquet")
    texts = {document_id: contents(title, text) for document_id, title, text in documents.iter_rows()}
    rows = rows_of(out, "bm25")
    assert rows.columns == ["query", "positive", "negative_1", "negative_2"]
    assert rows.row(0) == ("what about the kettle in rain 0?", texts["d0-2"], texts["d0-1"], texts["d1-3"])
    assert rows_of(out, "llm")["negative_1"][0] == "A kettle can be bought in 1 shops of the town."


def test_rows_pair_up_across_methods_in_the_order_of_the_queries(tmp_path: Path) -> None:
    out = assembled(tmp_path)
    frozen = rows_of(out, "queries")["query"].to_list()
    for method, lost in (("bm25", 3), ("llm", 5)):
        assert rows_of(out, method)["query"].to_list() == [query for i, query in enumerate(frozen) if i != lost]


def test_a_scored_row_for_every_candidate_and_the_positive_first(tmp_path: Path) -> None:
    out = assembled(tmp_path)
    bm25, llm = rows_of(out, "bm25-scored"), rows_of(out, "llm-scored")
    assert bm25.schema == schema.SCORED
    assert bm25.filter(pl.col("query_id") == "q3")["reason"].to_list() == [None, "relevant", None, "duplicate"]
    first = llm.group_by("query_id", maintain_order=True).first()
    assert first["label"].to_list() == [1] * 11
    assert first["document_id"][0] == "d0-2"
    assert first["provenance"].struct.field("corpus_revision").unique().to_list() == ["c1"]
    assert llm.filter(pl.col("label") == 0)["document_id"].null_count() == 22


def test_every_stage_s_drops_stand_in_the_ledger(tmp_path: Path) -> None:
    make_stages(tmp_path)
    further = tmp_path / "corpus/ledger.parquet"
    pl.DataFrame([("corpus", None, None, "d99", "empty", None)], schema=schema.LEDGER, orient="row").write_parquet(
        further
    )
    out = assembled(tmp_path, ledgers={"corpus": further, "candidates-none": tmp_path / "none.parquet"})
    ledger = pl.read_parquet(out / "ledger/[!h]*.parquet")
    assert dict(ledger["stage"].value_counts().iter_rows()) == {"negatives": 15, "corpus": 1, "queries": 1}
    assert {path.stem for path in (out / "ledger").iterdir()} == {
        "corpus", "queries", "negatives-bm25", "negatives-llm", "rows", "held-out",
    }  # fmt: skip


def test_a_query_that_no_stage_accounts_for_is_added_to_the_ledger(tmp_path: Path) -> None:
    stages = make_stages(tmp_path)
    for method in ("bm25", "llm"):
        (stages[method] / "ledger.parquet").unlink()
    drops = pl.read_parquet(assembled(tmp_path) / "ledger/rows.parquet")
    assert drops.select("method", "query_id", "reason").rows() == [
        ("llm", "q5", "no_candidates"),
        ("bm25", "q3", "shortfall"),
    ]


def test_only_ids_where_text_may_not_be_published(tmp_path: Path) -> None:
    recipe = replace(RECIPE, queries_from="qrels")
    out = assembled(tmp_path, publish_text=False, recipe=recipe)
    assert sorted(path.name for path in (out / "data").iterdir()) == ["bm25-scored", "llm-scored", "queries"]
    assert rows_of(out, "bm25-scored")["text"].null_count() == 48
    assert rows_of(out, "bm25-scored")["query"].null_count() == 48
    assert rows_of(out, "queries")["query"].null_count() == 12
    # What a model wrote is no text of the corpus.
    assert rows_of(out, "llm-scored")["text"].null_count() == 11
    written = b"".join(path.read_bytes() for path in out.rglob("*.parquet"))
    assert b"kettle" not in written.replace(b"A kettle", b"")


def test_equal_stages_give_equal_bytes(tmp_path: Path) -> None:
    first, second = assembled(tmp_path), assembled(tmp_path)
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert names
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    assert not list(first.glob(".*"))


def test_batches_that_end_inside_a_query_change_nothing(tmp_path: Path) -> None:
    """3,000 queries of four candidates each are three batches, none of which ends where a query ends."""
    make_stages(tmp_path)
    documents = [(f"d{i}", "", f"text number {i}") for i in range(700)]
    pl.DataFrame(documents, schema=schema.DOCUMENTS, orient="row").write_parquet(tmp_path / "corpus/documents.parquet")
    count = 3000
    nothing = dict.fromkeys([field.name for field in schema.PROVENANCE.fields])
    frozen = [("train" if i % 3 else "dev", f"q{i}", f"query {i}", [f"d{i % 700}"], nothing) for i in range(count)]
    pl.DataFrame(frozen, schema=schema.FROZEN_QUERIES, orient="row").write_parquet(tmp_path / "queries/queries.parquet")
    found = [
        (
            f"q{i}",
            f"d{(i + at) % 700}",
            None,
            int(at == 0),
            at + 1,
            1.0,
            nothing,
            "keep",
            None,
            at if at in (1, 2) else None,
        )
        for i in range(count)
        for at in range(4 + i % 2)
    ]
    pl.DataFrame(found, schema=schema.NEGATIVES, orient="row").write_parquet(
        tmp_path / "negatives/bm25/negatives.parquet"
    )
    (tmp_path / "negatives/bm25/ledger.parquet").unlink()
    out = assembled(tmp_path, negatives={"bm25": tmp_path / "negatives/bm25"})
    for split, rest in (("dev", [0]), ("train", [1, 2])):
        rows = pl.read_parquet(out / f"data/bm25/{split}-*.parquet")
        assert rows.rows() == [
            (f"query {i}", *(f"text number {(i + at) % 700}" for at in range(3))) for i in range(count) if i % 3 in rest
        ]
    assert len(rows_of(out, "bm25-scored")) == len(found)


@pytest.mark.parametrize(
    ("file", "column", "value", "message"),
    [
        ("negatives/bm25/negatives.parquet", "query_id", "q77", "'q77' is not among the frozen queries"),
        ("negatives/bm25/negatives.parquet", "document_id", "d77", "has no document 'd77'"),
        ("negatives/llm/negatives.parquet", "query_id", "q11", "not in the order of the frozen queries"),
        ("queries/queries.parquet", "query_id", "q1", "'q1' stands there twice"),
        ("queries/queries.parquet", "positive_ids", [], "has no positive"),
    ],
)
def test_what_does_not_fit_is_refused(file: str, column: str, value: object, message: str, tmp_path: Path) -> None:
    make_stages(tmp_path)
    table = pl.read_parquet(tmp_path / file)
    values = [value, *table[column].to_list()[1:]]
    table.with_columns(pl.Series(column, values, dtype=table.schema[column])).write_parquet(tmp_path / file)
    with pytest.raises(InputError, match=message):
        assembled(tmp_path)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    make_stages(tmp_path)
    path = tmp_path / "negatives/bm25/negatives.parquet"
    pl.read_parquet(path).drop("position").write_parquet(path)
    with pytest.raises(InputError, match="its columns are"):
        assembled(tmp_path)
    path.write_text("nothing")
    with pytest.raises(InputError, match="can't be read as Parquet"):
        assembled(tmp_path)


def test_a_corpus_without_an_evaluation_split_holds_nothing_out(tmp_path: Path) -> None:
    pl.DataFrame([("train", "q1", "a question")], schema=schema.QUERIES, orient="row").write_parquet(
        tmp_path / "queries.parquet"
    )
    assert _write_held_out(tmp_path, tmp_path / "queries.parquet", None) == {}
    assert pl.read_parquet(tmp_path / "ledger" / "held-out.parquet").is_empty()
