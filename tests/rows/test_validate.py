"""Each rule has a dataset that breaks it, and it alone."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from hnhub.errors import InputError
from hnhub.rows.validate import RULES, validate
from hnhub.stages import file_sha256
from small_run import RECIPE, make_dataset


def rewrite(file: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Path], None]:
    """Change a table's rows before card, statistics and manifest are written."""

    def apply(out: Path) -> None:
        path = out / file
        schema = pq.read_schema(path)
        pq.write_table(change(pl.read_parquet(path)).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema), path)

    return apply


def each_table(change: Callable[[pl.DataFrame], pl.DataFrame], config: str = "*") -> Callable[[Path], None]:
    def apply(out: Path) -> None:
        for path in sorted(out.glob(f"data/{config}/*.parquet")):
            rewrite(path.relative_to(out).as_posix(), change)(out)

    return apply


def put(column: str, row: int, value: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def change(table: pl.DataFrame) -> pl.DataFrame:
        values = table[column].to_list()
        values[row] = value
        return table.with_columns(pl.Series(column, values, dtype=table.schema[column]))

    return change


def replaced(old: str, new: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda table: table.with_columns(pl.col(pl.String).replace(old, new))


def swapped(table: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([table[1:2], table[0:1], table[2:]])


def recorded(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    """Change a finished file, and its entry in the manifest."""

    def apply(dataset: Path) -> None:
        path = dataset / name
        before = path.read_text()
        path.write_text(change(before))
        assert path.read_text() != before
        manifest = json.loads((dataset / "manifest.json").read_text())
        manifest["files"][name] = {"sha256": file_sha256(path), "size": path.stat().st_size}
        (dataset / "manifest.json").write_text(json.dumps(manifest))

    return apply


def without_fingerprint(dataset: Path) -> None:
    manifest = json.loads((dataset / "manifest.json").read_text())
    del manifest["fingerprint"]
    (dataset / "manifest.json").write_text(json.dumps(manifest))


def another_config(out: Path) -> None:
    shutil.copytree(out / "data/bm25", out / "data/other")


def to_int64(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.col("rank").cast(pl.Int64))


def wrong_type(out: Path) -> None:
    path = out / "data/bm25-scored/train-00000-of-00001.parquet"
    to_int64(pl.read_parquet(path)).write_parquet(path)


def empty_split(out: Path) -> None:
    for path in sorted(out.glob("data/*/train-00000-of-00001.parquet")):
        pq.write_table(pq.read_schema(path).empty_table(), path.with_name("dev-00000-of-00001.parquet"))


BM25, BM25_SCORED = "data/bm25/train-00000-of-00001.parquet", "data/bm25-scored/train-00000-of-00001.parquet"
LLM, LLM_SCORED = "data/llm/train-00000-of-00001.parquet", "data/llm-scored/train-00000-of-00001.parquet"
BEFORE: dict[str, tuple[Callable[[Path], None], str, int | None]] = {
    # rule: (what is spoilt before card and manifest are written, file and row that the rule names)
    "layout": (another_config, "data/other", None),
    "filled": (empty_split, "data/queries", None),
    "shards": (lambda out: (out / BM25).rename(out / BM25.replace("of-00001", "of-00002")), "data/bm25", None),
    "columns": (wrong_type, BM25_SCORED, None),
    "ledger": (
        rewrite("ledger/negatives-bm25.parquet", lambda table: table.filter(pl.col("query_id") != "q3")),
        "ledger",
        None,
    ),
    "nulls": (rewrite(BM25_SCORED, put("provenance", 7, None)), BM25_SCORED, 7),
    "blank": (rewrite(BM25_SCORED, put("reason", 1, " \n")), BM25_SCORED, 1),
    "unique-queries": (
        each_table(replaced("what about the quarry in rain 11?", "What about the tunnel - in rain 10")),
        "data/queries/train-00000-of-00001.parquet",
        11,
    ),
    "known-ids": (rewrite(LLM_SCORED, put("document_id", 3, "d7-2")), LLM_SCORED, 3),
    "labels": (rewrite(BM25_SCORED, put("verdict", 1, "maybe")), BM25_SCORED, 1),
    "order": (rewrite(BM25_SCORED, swapped), BM25_SCORED, 0),
    "judged": (rewrite(BM25_SCORED, put("document_id", 2, "d0-2")), BM25_SCORED, 2),
    "distinct": (
        each_table(
            replaced(
                "A kettle can be bought in 2 shops of the town.", "a  KETTLE can be bought in 1 shops of the town!"
            )
        ),
        LLM,
        0,
    ),
    "own-positive": (
        each_table(
            replaced(
                "A kettle can be bought in 2 shops of the town.",
                "the KETTLE the kettle changes its colour in the rain ünlike the other 0",
            )
        ),
        LLM,
        0,
    ),
    "chosen": (rewrite(LLM, put("negative_2", 4, "Something else.")), LLM, 4),
    "paired": (
        each_table(
            replaced(
                "The kettle The kettle changes its colour in the rain, ünlike the other 0.",
                "Some other text on kettles.",
            ),
            "llm*",
        ),
        BM25,
        0,
    ),
    "leaks": (
        each_table(replaced("what about the river in rain 1?", "Why is the sea salty?")),
        "data/queries/train-00000-of-00001.parquet",
        1,
    ),
}
AFTER: dict[str, tuple[Callable[[Path], None], str, int | None]] = {
    "manifest": (without_fingerprint, "manifest.json", None),
    "listed": (lambda dataset: (dataset / "notes.txt").write_text("mine") and None, "notes.txt", None),
    "hashes": (
        lambda dataset: (dataset / "README.md").write_text((dataset / "README.md").read_text() + "!") and None,
        "README.md",
        None,
    ),
    "statistics": (
        recorded("stats.json", lambda text: text.replace('"count": 12', '"count": 11', 1)),
        "stats.json",
        None,
    ),
    "card": (
        recorded("README.md", lambda text: text.replace("num_examples: 11", "num_examples: 10", 1)),
        "README.md",
        None,
    ),
    "croissant": (
        recorded("croissant.json", lambda text: text.replace('"sha256": "', '"sha256": "0', 1)),
        "croissant.json",
        None,
    ),
}


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_the_rule_alone_is_broken_and_named_with_its_place(rule: str, tmp_path: Path) -> None:
    spoil, path, row = (BEFORE | AFTER)[rule]
    if rule in BEFORE:
        dataset = make_dataset(tmp_path, change=spoil)
    else:
        dataset = make_dataset(tmp_path)
        spoil(dataset)
    found = list(validate(dataset))
    assert {violation.rule for violation in found} == {rule}
    assert (found[0].path, found[0].row) == (path, row)
    assert found[0].message


@pytest.mark.parametrize("publish_text", [True, False])
@pytest.mark.parametrize("queries_from", ["llm", "qrels"])
def test_a_sound_dataset_breaks_no_rule(publish_text: bool, queries_from: str, tmp_path: Path) -> None:
    recipe = replace(RECIPE, queries_from=queries_from)
    assert list(validate(make_dataset(tmp_path, publish_text=publish_text, recipe=recipe))) == []


def test_kept_rows_with_too_few_negatives_break_no_rule(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, recipe=replace(RECIPE, on_shortfall="keep"))
    assert list(validate(dataset)) == []
    rows = pl.read_parquet(dataset / BM25)
    assert rows["negative_2"].to_list().count(None) == 1


def test_a_gap_before_a_negative_is_found_in_kept_rows(tmp_path: Path) -> None:
    recipe = replace(RECIPE, on_shortfall="keep")
    dataset = make_dataset(tmp_path, recipe=recipe, change=rewrite(BM25, put("negative_1", 0, None)))
    assert ("nulls", BM25, 0) in {(found.rule, found.path, found.row) for found in validate(dataset)}


def test_a_missing_training_row_is_found(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, change=rewrite(BM25, lambda table: table[:-1]))
    assert {found.rule for found in validate(dataset)} == {"chosen", "ledger"}


def test_a_missing_config_is_found(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, change=lambda out: shutil.rmtree(out / "data/bm25"))
    assert ("layout", "data/bm25") in {(found.rule, found.path) for found in validate(dataset)}


def test_every_violation_of_a_rule_is_given(tmp_path: Path) -> None:
    def spoil(table: pl.DataFrame) -> pl.DataFrame:
        return table.with_columns(pl.when(pl.col("rank") == 2).then(5).otherwise("label").cast(pl.Int8).alias("label"))

    found = list(validate(make_dataset(tmp_path, change=rewrite(BM25_SCORED, spoil))))
    assert [violation.row for violation in found if violation.rule == "labels"] == list(range(1, 48, 4))


def test_a_damaged_file_is_a_violation_not_a_crash(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path)
    (dataset / BM25).write_bytes(b"PAR1 nothing PAR1")
    rules = {violation.rule for violation in validate(dataset)}
    assert {"hashes", "columns"} <= rules


def test_a_folder_that_holds_nothing_breaks_rules(tmp_path: Path) -> None:
    assert {"manifest", "layout"} <= {violation.rule for violation in validate(tmp_path)}


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        list(validate(tmp_path / "nowhere"))


def test_rules_have_names_and_descriptions() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.description.endswith(".") for rule in RULES)
