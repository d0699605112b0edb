"""Writing published rows: hnhub's writer and its whole assembly against Polars' sink and `Dataset.from_generator`.

Every run is a process of its own, and the contenders take turns. Writing is the same rows (query, positive, five negatives;
already joined) to one Parquet file; `assemble` does what a build does: from stage folders with ids to training rows and
scored rows, texts joined from the corpus. CPU time is of all threads; peak memory is over the process before it starts.

    python bench/assemble.py [--rows 100000] [--runs 5]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from _common import compared, machine, spread, synthetic, table, versions
from hnhub import schema
from hnhub.records import Recipe

NEGATIVES = 5
BATCH = 1024


def frames(source: Path) -> Iterator[pl.DataFrame]:
    """The joined rows in batches, as they come from disk: every contender pays for reading them."""
    for batch in pq.ParquetFile(source, pre_buffer=False).iter_batches(BATCH):
        yield pl.DataFrame(batch)


def ours(source: Path, out: Path) -> None:
    from hnhub.rows.parquet import ShardWriter

    with ShardWriter(out, "train", schema.triplet(NEGATIVES)) as writer:
        for frame in frames(source):
            writer.write(frame)


def polars_sink(source: Path, out: Path) -> None:
    pl.scan_parquet(source).sink_parquet(out / "train.parquet", compression="zstd")


def from_generator(source: Path, out: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_generator(
        lambda: (row for frame in frames(source) for row in frame.iter_rows(named=True)),
        features=schema.features(schema.triplet(NEGATIVES)),
        cache_dir=str(out / "cache"),
    )
    rows.to_parquet(out / "train.parquet")


def assemble(source: Path, out: Path) -> None:
    from hnhub.rows.assemble import make_rows

    run = source.parent
    rows = pq.read_metadata(source).num_rows
    recipe = Recipe(corpus="bench", methods=("bm25",), negatives=NEGATIVES, queries=rows)
    negatives = {"bm25": run / "negatives/bm25"}
    make_rows(out, corpus=run / "corpus", queries=run / "queries", negatives=negatives, recipe=recipe)


CONTENDERS: dict[str, Callable[[Path, Path], None]] = {
    "hnhub writer": ours,
    "polars sink": polars_sink,
    "from_generator": from_generator,
    "hnhub assemble": assemble,
}


def make_input(folder: Path, rows: int) -> Path:
    """Stage folders of a corpus of half as many documents as rows, and the joined rows."""
    documents = rows // 2 + NEGATIVES + 1
    texts = [text for batch in synthetic(documents, 90) for text in batch]
    corpus = {"document_id": [f"d{i}" for i in range(documents)], "title": [""] * documents, "text": texts}
    queries = [" ".join(text.split()[:8]) + f" {i}" for i, text in enumerate(texts[:documents])]
    nothing = dict.fromkeys(field.name for field in schema.PROVENANCE.fields)
    for name in ("corpus", "queries", "negatives/bm25"):
        (folder / name).mkdir(parents=True)
    pl.DataFrame(corpus, schema=schema.DOCUMENTS).write_parquet(folder / "corpus/documents.parquet")
    pl.DataFrame(schema=schema.QUERIES).write_parquet(folder / "corpus/queries.parquet")
    joined = folder / "joined.parquet"
    with (
        pq.ParquetWriter(folder / "queries/queries.parquet", schema.arrow_schema(schema.FROZEN_QUERIES)) as frozen,
        pq.ParquetWriter(folder / "negatives/bm25/negatives.parquet", schema.arrow_schema(schema.NEGATIVES)) as found,
        pq.ParquetWriter(joined, schema.arrow_schema(schema.triplet(NEGATIVES))) as rows_writer,
    ):
        for start in range(0, rows, BATCH):
            part = range(start, min(start + BATCH, rows))
            # Steps far apart, so that texts are joined from all over the corpus.
            ids = {i: [(i * 7919 + at * 104_729) % documents for at in range(NEGATIVES + 1)] for i in part}
            query = {i: f"{queries[i % documents]} {i}" for i in part}
            _append(
                frozen, [("train", f"q{i}", query[i], [f"d{ids[i][0]}"], nothing) for i in part], schema.FROZEN_QUERIES
            )
            _append(rows_writer, [(query[i], *(texts[at] for at in ids[i])) for i in part], schema.triplet(NEGATIVES))
            candidates = [
                (f"q{i}", f"d{at}", None, int(n == 0), n + 1, 1.0, nothing, "keep", None, n or None)
                for i in part
                for n, at in enumerate(ids[i])
            ]
            _append(found, candidates, schema.NEGATIVES)
    return joined


def _append(writer: pq.ParquetWriter, rows: list[tuple[object, ...]], columns: pl.Schema) -> None:
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    writer.write_table(frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema.arrow_schema(columns)))


def one_run(name: str, source: Path) -> None:
    """Print CPU seconds, peak memory over the start (MB) and bytes written, as JSON."""
    # What a contender imports is not what is measured.
    import datasets  # noqa: F401

    import hnhub.rows.assemble

    assert hnhub.rows.assemble
    with tempfile.TemporaryDirectory(dir=source.parent) as out:
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        CONTENDERS[name](source, Path(out))
        seconds = time.process_time() - start
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
        size = sum(path.stat().st_size for path in Path(out).rglob("*.parquet"))
    print(json.dumps([seconds, peak, size]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one_run(given.one[0], Path(given.one[1]))
        return
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as folder:
        source = make_input(Path(folder) / "run", given.rows)
        for _ in range(given.runs):
            for name in CONTENDERS:
                command = [sys.executable, __file__, "--one", name, str(source)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                found[name].append(tuple(json.loads(output)))
    peer = statistics.median(run[0] for run in found["from_generator"])
    lines = [["", "CPU s", "rows/s CPU", "against from_generator", "peak over base, MB", "written, MB"]]
    for name, runs in found.items():
        seconds = statistics.median(run[0] for run in runs)
        lines.append(
            [
                name,
                spread([run[0] for run in runs]),
                f"{given.rows / seconds:,.0f}",
                f"{peer / seconds:.2f}x",
                spread([run[1] for run in runs]),
                f"{runs[0][2] / 1e6:.0f}",
            ]
        )
    for name in ("hnhub writer", "hnhub assemble"):
        goal = (1.4, 2.0) if name == "hnhub writer" else None
        sides = ([run[0] for run in found[one]] for one in (name, "from_generator"))
        compared(f"Parquet, {given.rows:,} rows: {name}", next(sides), peer="Dataset.from_generator", theirs=next(sides),
                 unit="CPU s", goal=goal)  # fmt: skip
    compared(
        "Parquet, peak of the writer over the start",
        [run[1] for run in found["hnhub writer"]],
        unit="MB",
        goal=(200, None),
    )
    print(f"{given.rows:,} rows of {NEGATIVES + 2} texts, median and range of {given.runs}\n\n{table(lines)}\n")
    print(f"{machine()}\n{versions(['pyarrow', 'polars', 'datasets'])}")


if __name__ == "__main__":
    main()
