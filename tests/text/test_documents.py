from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub import schema
from hnhub.errors import InputError
from hnhub.text.documents import Positions, Texts, wanted_ids

ids = st.lists(st.text(max_size=6), unique=True, max_size=40)


@given(ids, st.lists(st.one_of(st.none(), st.text(max_size=6)), max_size=40))
def test_positions_are_those_of_the_list(known: list[str], asked: list[str | None]) -> None:
    found = Positions(pl.Series(known, dtype=pl.String)).find(pl.Series(asked + known, dtype=pl.String))
    assert found.tolist() == [known.index(name) if name in known else -1 for name in asked + known]


def documents(path: Path, count: int) -> Path:
    rows = [(f"d{i}", f"Ti{i}" if i % 2 else "", f"tëxt {i}") for i in range(count)]
    pl.DataFrame(rows, schema=schema.DOCUMENTS, orient="row").write_parquet(path)
    return path


def test_texts_come_in_any_order(tmp_path: Path) -> None:
    path = documents(tmp_path / "documents.parquet", 5000)
    wanted = pl.LazyFrame({"document_id": ["d4999", "d0", None, "d3", "d0"]})
    texts = Texts(path, wanted_ids([wanted]), tmp_path / "texts")
    found = texts.gather(pl.Series(["d3", None, "d4999", "d3", "d0"]))
    assert found.to_list() == ["Ti3 tëxt 3", None, "Ti4999 tëxt 4999", "Ti3 tëxt 3", "tëxt 0"]


def test_a_wanted_document_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = documents(tmp_path / "documents.parquet", 3)
    with pytest.raises(InputError, match=r"has no document 'd7' \(2 such ids"):
        Texts(path, pl.Series(["d1", "d7", "d8"]), tmp_path / "texts")


def test_nothing_wanted_gives_nulls(tmp_path: Path) -> None:
    texts = Texts(documents(tmp_path / "d.parquet", 3), pl.Series([], dtype=pl.String), tmp_path / "texts")
    assert texts.gather(pl.Series([None, None], dtype=pl.String)).to_list() == [None, None]
