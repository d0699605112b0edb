"""Bytes that a re-push uploads over Xet after 1 % of the rows changed, against the first push.

Each edition is written by a Parquet writer and uploaded by hf_xet into a store of its own (`local://`), and the growth of
the stored blocks is counted: what hf_xet found in no earlier block. Writers: the project's own (as it publishes), the same
with smaller pages and without content-defined chunking, and `datasets`' own (what `push_to_hub` would write).

    python bench/xet.py [--rows 8000] [--corpus FOLDER]     (FOLDER: a BEIR folder; else made-up text)
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from _common import machine, synthetic, table, versions
from hnhub.records import contents
from hnhub.rows.parquet import write_parquet
from hnhub.schema import triplet

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from hub_server.xet import stored_bytes

NEGATIVES = 5
SHARE = 0.01


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--corpus", type=Path)
    arguments = parser.parse_args()
    first = make_rows(texts(arguments.corpus), arguments.rows)
    editions = {
        "one negative in each of 1 % of the rows": scattered(first, 1),
        "all negatives in each of 1 % of the rows": scattered(first, NEGATIVES),
        "1 % of the rows inserted as a block": inserted(first),
        "1 % of the rows deleted, anywhere": first.filter(~pl.Series(drawn(len(first)))),
    }
    writers: dict[str, Callable[[Path, pl.DataFrame], object]] = {
        "hnhub": lambda path, frame: write_parquet(path, [frame], triplet(NEGATIVES)),
        "the same, pages of 16-64 KiB": lambda path, frame: plain(path, frame, 16 * 1024, 64 * 1024),
        "the same, not content-defined": plain,
        "datasets": by_datasets,
    }
    rows = [("writer", "change", "first push, bytes", "re-push, bytes", "share")]
    for writer, write in writers.items():
        for change, edition in editions.items():
            before, after = upload(write, first, edition)
            rows.append((writer, change, f"{before:,}", f"{after:,}", f"{after / before:.1%}"))
    print(
        f"{machine()}; {versions(('hf-xet', 'pyarrow', 'datasets'))}; {arguments.rows:,} rows, {NEGATIVES} negatives\n"
    )
    print(table(rows))


def texts(corpus: Path | None) -> list[str]:
    """Passages: a BEIR corpus's, or made up."""
    if corpus is None:
        return [text for batch in synthetic(5000, 150) for text in batch]
    documents = map(json.loads, (corpus / "corpus.jsonl").read_text(encoding="utf-8").splitlines())
    return [contents(document.get("title", ""), document["text"]) for document in documents]


def make_rows(passages: list[str], rows: int) -> pl.DataFrame:
    """Triplets with passages drawn at random."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, len(passages), (rows, NEGATIVES + 1))
    columns = {"query": [f"{row}: {passages[i][:80]}" for row, i in enumerate(ids[:, 0])]}
    columns |= {
        name: [passages[i] for i in ids[:, k]] for k, name in enumerate(triplet(NEGATIVES).names()[1:])
    }  # fmt: skip
    return pl.DataFrame(columns, schema=triplet(NEGATIVES))


def drawn(rows: int) -> np.ndarray:
    """Which rows change: 1 %, anywhere."""
    mask = np.zeros(rows, dtype=bool)
    mask[np.random.default_rng(1).choice(rows, int(rows * SHARE), replace=False)] = True
    return mask


def scattered(frame: pl.DataFrame, cells: int) -> pl.DataFrame:
    """In 1 % of the rows, replace the first `cells` negatives by those of the next row."""
    mask = pl.Series(drawn(len(frame)))
    names = triplet(NEGATIVES).names()[2 : 2 + cells]
    return frame.with_columns(
        pl.when(mask).then(pl.col(n).shift(1).fill_null("x")).otherwise(n).alias(n) for n in names
    )


def inserted(frame: pl.DataFrame) -> pl.DataFrame:
    """1 % more rows, one after the other, in the middle."""
    middle, more = len(frame) // 2, int(len(frame) * SHARE)
    return pl.concat([frame.head(middle), frame.head(more).reverse(), frame.tail(len(frame) - middle)])


def plain(path: Path, frame: pl.DataFrame, least: int = 0, most: int = 0) -> None:
    """zstd, and pages of `least` to `most` bytes that begin where the content says, or none of that."""
    chunking = {"min_chunk_size": least, "max_chunk_size": most, "norm_level": 0} if most else False
    columns = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(
        columns,
        path,
        compression="zstd",
        use_dictionary=False,
        use_content_defined_chunking=chunking,
        write_page_index=True,
    )


def by_datasets(path: Path, frame: pl.DataFrame) -> None:
    """As `datasets` writes Parquet."""
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_polars(frame).to_parquet(str(path))


def upload(write: Callable[[Path, pl.DataFrame], object], *editions: pl.DataFrame) -> tuple[int, int]:
    """Bytes that each edition adds to an empty store."""
    import hf_xet

    with tempfile.TemporaryDirectory() as folder:
        store, sizes = Path(folder) / "cas", [0]
        for number, edition in enumerate(editions):
            path = Path(folder) / f"{number}.parquet"
            write(path, edition)
            with hf_xet.XetSession().new_upload_commit(endpoint=f"local://{store}") as commit:
                commit.start_upload_file(str(path), sha256=hf_xet.COMPUTE_SHA256)
            sizes.append(stored_bytes(store))
    return sizes[1], sizes[2] - sizes[1]


if __name__ == "__main__":
    main()
