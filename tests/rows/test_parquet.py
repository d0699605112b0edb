import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hnhub.rows.parquet import ShardWriter, write_parquet
from hnhub.schema import LEDGER, SCORED, arrow_schema, triplet


def texts(rows: int) -> pl.DataFrame:
    return pl.DataFrame({name: [f"{name} {i} {'word ' * (i % 50)}" for i in range(rows)] for name in triplet(2)})


def written(folder: Path, frames: Iterable[pl.DataFrame], **limits: int) -> list[Path]:
    rows = 0
    with ShardWriter(folder, "train", triplet(2), **limits) as writer:
        for frame in frames:
            writer.write(frame)
            rows += len(frame)
    assert writer.rows == rows
    return sorted(folder.iterdir())


def test_names_say_how_many_shards_there_are(tmp_path: Path) -> None:
    table = texts(500)
    files = written(tmp_path, list(table.iter_slices(10)), group_bytes=10_000, shard_bytes=40_000)
    assert len(files) > 2
    assert [file.name for file in files] == [f"train-{i:05d}-of-{len(files):05d}.parquet" for i in range(len(files))]
    assert pl.concat([pl.read_parquet(file) for file in files]).equals(table)
    assert all(pq.read_metadata(file).num_row_groups > 1 for file in files[:-1])


def test_without_rows_there_is_one_empty_file(tmp_path: Path) -> None:
    (file,) = written(tmp_path, [])
    assert file.name == "train-00000-of-00001.parquet"
    assert pq.read_schema(file).equals(arrow_schema(triplet(2)))


def test_a_failed_writer_leaves_no_finished_name(tmp_path: Path) -> None:
    def frames() -> Iterator[pl.DataFrame]:
        yield texts(3)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        written(tmp_path, frames())
    assert not list(tmp_path.glob("*.parquet"))


def test_equal_rows_give_equal_bytes_with_page_index_and_zstd(tmp_path: Path) -> None:
    (first,), (second,) = (written(tmp_path / name, [texts(2000)]) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    column = pq.read_metadata(first).row_group(0).column(1)
    assert column.compression == "ZSTD"
    assert column.has_offset_index
    assert column.has_column_index
    assert "RLE_DICTIONARY" not in column.encodings


def test_pages_of_unchanged_rows_are_found_again(tmp_path: Path) -> None:
    """Content-defined chunking: a row put in near the front leaves most pages as they were."""
    # No two rows alike and little to compress, or there would be a single page.
    rows = pl.DataFrame(
        {name: [f"{name} {hash_text(i * 7 + n)}" for i in range(20_000)] for n, name in enumerate(triplet(2))}
    )
    inserted = pl.concat([rows[:10], texts(1), rows[10:]])
    old, new = (pages(written(tmp_path / name, [table])[0]) for name, table in (("a", rows), ("b", inserted)))
    kept = sum(size for page, size in new.items() if page in old)
    assert len(new) > 12
    assert kept > 0.6 * sum(new.values())


def hash_text(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest() * 2


def pages(path: Path) -> dict[bytes, int]:
    """What stands between the beginnings of the file's compressed pages, with its size."""
    # A zstd frame's magic number begins every compressed page.
    parts = re.split(b"(?=" + re.escape(b"\x28\xb5\x2f\xfd") + b")", path.read_bytes())[1:-1]
    # What follows a page's frame is the next page's header, which may differ: leave the last bytes out.
    return {part[:-64]: len(part) for part in parts}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_rows_survive_any_batches(cuts: list[int], tmp_path: Path) -> None:
    table = texts(sum(cuts))
    frames, start = [], 0
    for cut in cuts:
        frames.append(table[start : start + cut])
        start += cut
    folder = tmp_path / "-".join(map(str, cuts))
    files = written(folder, frames, group_bytes=3000, shard_bytes=9000)
    assert pl.concat([pl.read_parquet(file) for file in files]).equals(table)
    for file in files:
        file.unlink()


def test_published_strings_and_lists_are_plain(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, "train", SCORED) as writer:
        writer.write(pl.DataFrame(schema=SCORED))
    schema = pq.read_schema(tmp_path / "train-00000-of-00001.parquet")
    assert schema.field("text").type == pa.string()
    assert schema.field("provenance").type.field("model").type == pa.string()


def test_one_file_under_its_own_name(tmp_path: Path) -> None:
    rows = pl.DataFrame([("rows", None, "q1", None, "why", None)], schema=LEDGER, orient="row")
    assert write_parquet(tmp_path / "ledger" / "a.parquet", [rows, rows], LEDGER) == 2
    assert pl.read_parquet(tmp_path / "ledger" / "a.parquet").equals(pl.concat([rows, rows]))
