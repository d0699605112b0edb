"""Rows by query, some queries at a time."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hnhub.errors import InputError
from hnhub.negatives import _in_order
from hnhub.negatives._in_order import in_parts

IDS = pl.Series([f"q{i}" for i in range(7)])


@pytest.mark.parametrize("seed", [None, 0, 1])
@pytest.mark.parametrize("group", [3, 1000])
def test_every_row_comes_with_its_query(
    tmp_path: Path, seed: int | None, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_in_order, "_QUERIES", 2)
    monkeypatch.setattr(_in_order, "_ROWS", 4)
    places = np.repeat([0, 1, 3, 4, 6], 5)  # two queries have no rows
    if seed is not None:
        np.random.default_rng(seed).shuffle(places)
    rows = pl.DataFrame({"query_id": IDS.gather(places), "at": np.arange(len(places))})
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=group)
    parts = list(in_parts(tmp_path / "rows.parquet", IDS))
    assert [which for which, _ in parts] == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)]
    for which, part in parts:
        own = IDS[which]
        assert part.drop("order").equals(rows.filter(pl.col("query_id").is_in(own.implode())))
        assert own.gather(part["order"]).to_list() == part["query_id"].to_list()


def test_a_file_without_rows_and_an_unknown_query(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"query_id": []}, schema={"query_id": pl.String}).write_parquet(path)
    assert [len(part) for _, part in in_parts(path, IDS)] == [0]
    pl.DataFrame({"query_id": ["q1", "other"]}).write_parquet(path)
    with pytest.raises(InputError, match="query 'other' is not among the frozen queries"):
        list(in_parts(path, IDS))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from Linux's /proc")
def test_of_a_file_in_order_a_part_is_held(tmp_path: Path) -> None:
    count, depth = 40_000, 20
    ids = pl.Series([f"q{i}" for i in range(count)])
    rows = pl.DataFrame({"query_id": ids.gather(np.repeat(np.arange(count), depth))})
    rows = rows.with_columns(
        pl.lit("a text that is as long as it takes" * 12).alias("text"), pl.int_range(pl.len()).alias("at")
    )
    rows = rows.with_columns(pl.concat_str("text", "at").alias("text"))
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=8192)
    whole = rows.estimated_size() / 1e6
    del rows
    for _ in in_parts(tmp_path / "rows.parquet", ids):  # what is reserved once is reserved now
        break
    start = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    assert sum(len(part) for _, part in in_parts(tmp_path / "rows.parquet", ids)) == count * depth
    assert resident("VmHWM") - start < whole / 2


def resident(field: str) -> float:
    """Megabytes of this process, by /proc/self/status."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) / 1000
