"""BM25 over as many passages as MS MARCO has: time, memory and disk of indexing and of searching, each in a process of its own.

    python bench/bm25_large.py FOLDER [--passages 8841823] [--words 56] [--queries 5000]

Zipfian made text of MS MARCO's length; a query is eight words. What lies in FOLDER is not made again, so that it can be run in pieces
(`--only made|index|search`). Memory is the process's own, and with it the pages that it maps of the index.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from _common import machine, synthetic, table
from hnhub import schema
from hnhub.bm25.open import open_index
from hnhub.records import BM25Settings

STAGES = ("made", "index", "search")
K = 100


def make(path: Path, passages: int, words: int) -> None:
    columns = schema.arrow_schema(schema.DOCUMENTS)
    unfinished = path.with_suffix(".part")
    with pq.ParquetWriter(unfinished, columns) as writer:
        first = 0
        for texts in synthetic(passages, words):
            ids = [f"{number}" for number in range(first, first + len(texts))]
            rows = {"document_id": ids, "title": [""] * len(texts), "text": texts}
            frame = pl.DataFrame(rows, schema=schema.DOCUMENTS)
            writer.write_table(pa.table(frame.to_arrow(compat_level=pl.CompatLevel.oldest())).cast(columns))
            first += len(texts)
    unfinished.rename(path)


def stage(name: str, folder: Path, given: argparse.Namespace) -> None:
    """Do one stage and print what it took."""
    documents = folder / f"{given.passages}x{given.words}.parquet"
    before, started = time.process_time(), time.perf_counter()
    if name == "made" and not documents.exists():
        make(documents, given.passages, given.words)
    if name != "made":
        index = open_index(documents, folder / "bm25", BM25Settings(stemmer=None, stop_words=None), None)
    if name == "search":
        asked = [text for batch in synthetic(given.queries, 8, seed=1) for text in batch]
        before, started = time.process_time(), time.perf_counter()  # opening checks every file's hash
        rows, _ = index.search(asked, K)
        assert (rows[:, 0] >= 0).all()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    places = [documents] if name == "made" else [path for path in (folder / "bm25").rglob("*") if path.is_file()]
    print(json.dumps({
        "seconds": time.perf_counter() - started, "cpu": time.process_time() - before,
        "peak": int(status["VmHWM"].split()[0]) * 1024 / 1e6, "own": int(status["RssAnon"].split()[0]) * 1024 / 1e6,
        "disk": sum(path.stat().st_size for path in places) / 1e9,
    }))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--passages", type=int, default=8_841_823)
    parser.add_argument("--words", type=int, default=56)
    parser.add_argument("--queries", type=int, default=5000)
    parser.add_argument("--only", choices=STAGES)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.stage:
        stage(given.stage, given.folder, given)
        return
    rows = [["", "seconds", "CPU seconds", "peak MB", "of it own at the end", "GB on disk"]]
    for name in [given.only] if given.only else STAGES:
        said = subprocess.run(
            [sys.executable, *sys.argv, "--stage", name], check=True, stdout=subprocess.PIPE, text=True
        )
        found = json.loads(said.stdout.splitlines()[-1])
        rows.append([name, *(f"{found[key]:,.1f}" for key in ("seconds", "cpu", "peak", "own", "disk"))])
        print(
            f"{machine()}; load {os.getloadavg()[0]:.1f}; {given.passages:,} passages of {given.words} words\n{table(rows)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
