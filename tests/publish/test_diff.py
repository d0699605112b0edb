"""Differences between dataset folders, against a comparison written with Python's own dicts."""

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hnhub.publish.diff import SplitDifference, compare_folders
from hub_client import make_folder
from small_run import make_dataset

rows = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from("12")), max_size=8)


def folder(path: Path, data: list[tuple[str, str, str]]) -> Path:
    file = path / "data" / "bm25" / "train-00000-of-00001.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(data, schema=dict.fromkeys(("query", "positive", "negative_1"), pl.String), orient="row")
    frame.write_parquet(file)
    entry = {"sha256": repr(data), "size": 1, "rows": len(data)}
    manifest = {"hnhub": "0", "fingerprint": "", "files": {file.relative_to(path).as_posix(): entry}}
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def expected(a: list[tuple[str, str, str]], b: list[tuple[str, str, str]]) -> SplitDifference:
    def keyed(data: list[tuple[str, str, str]]) -> dict[tuple[str, int], tuple[str, str, str]]:
        seen: Counter[str] = Counter()
        table = {}
        for row in data:
            table[row[0], seen[row[0]]] = row
            seen[row[0]] += 1
        return table

    left, right = keyed(a), keyed(b)
    both = left.keys() & right.keys()
    changed = sum(left[key] != right[key] for key in both)
    return SplitDifference(
        "bm25", "train", len(right.keys() - both), len(left.keys() - both), changed, len(both) - changed
    )  # fmt: skip


@given(a=rows, b=rows)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_are_counted_by_query(
    tmp_path: Path, a: list[tuple[str, str, str]], b: list[tuple[str, str, str]]
) -> None:
    found = compare_folders(folder(tmp_path / "a", a), folder(tmp_path / "b", b))
    assert found.splits == (expected(a, b),)


def test_configs_splits_and_files(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "a")
    b = make_folder(tmp_path / "b", edition=2, configs=("bm25", "dense"), rows=44)
    found = compare_folders(a, b)
    assert [(s.config, s.split, s.added, s.removed, s.changed, s.same) for s in found.splits] == [
        ("bm25", "test", 1, 0, 1, 9),
        ("bm25", "train", 4, 0, 4, 36),
        ("dense", "test", 11, 0, 0, 0),
        ("dense", "train", 44, 0, 0, 0),
        ("llm", "test", 0, 10, 0, 0),
        ("llm", "train", 0, 40, 0, 0),
    ]
    assert found.files == {"README.md": "changed", "stats.json": "changed"}
    assert found.any
    assert not compare_folders(a, a).any


@pytest.mark.parametrize("config", ["bm25-scored", "llm-scored", "queries"])
def test_nested_columns_and_generated_texts(tmp_path: Path, config: str) -> None:
    dataset = make_dataset(tmp_path)
    [path] = (dataset / "data" / config).iterdir()
    other = tmp_path / "other"
    table = pl.read_parquet(path)
    seed = pl.when(pl.int_range(pl.len()) == 0).then(7).otherwise(pl.col("provenance").struct.field("seed"))
    changed = pl.col("provenance").struct.with_fields(seed=seed.cast(pl.Int64))
    spoiled = table.with_columns(provenance=changed).head(-2).reverse()  # the order does not count
    (other / path.relative_to(dataset)).parent.mkdir(parents=True)
    spoiled.write_parquet(other / path.relative_to(dataset))
    files = {path.relative_to(dataset).as_posix(): {"sha256": "x", "size": 1, "rows": len(spoiled)}}
    (other / "manifest.json").write_text(json.dumps({"fingerprint": "", "files": files}))
    [found] = [split for split in compare_folders(dataset, other).splits if split.config == config]
    assert (found.added, found.removed, found.changed, found.columns) == (0, 2, 1, ())
    assert found.same == len(table) - 3
