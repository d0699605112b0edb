"""Memory of choosing and assembling many scored rows: peaks over the start, each stage in a process of its own.

    python bench/scored.py [--queries 20000 60000] [--depth 14]

MS MARCO's 500,000 training queries at a depth of 14 are 7 million rows: what a row more takes is told by two sizes.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from _common import compared, machine, synthetic, table
from bm25 import peak
from hnhub import schema
from hnhub.records import Recipe

RECIPE = Recipe(corpus="bench", methods=("ce",), negatives=5)


def make_input(run: Path, queries: int, depth: int) -> None:
    """Stage folders: as many documents as queries, and of each query its positive and the next ones, scored."""
    for name in ("corpus", "queries", "candidates", "negatives", "dataset"):
        (run / name).mkdir(parents=True)
    texts = [text for batch in synthetic(queries, 60) for text in batch]
    ids = np.array([f"d{i}" for i in range(queries)], dtype=object)
    documents = {"document_id": ids, "title": [""] * queries, "text": texts}
    pl.DataFrame(documents, schema=schema.DOCUMENTS).write_parquet(run / "corpus/documents.parquet")
    nothing = dict.fromkeys(field.name for field in schema.PROVENANCE.fields)
    asked = [" ".join(text.split()[:8]) + f" {i}" for i, text in enumerate(texts)]
    names = [f"q{i}" for i in range(queries)]
    own = {"split": ["train"] * queries, "query_id": names, "text": asked}
    pl.DataFrame(own, schema=schema.QUERIES).write_parquet(run / "corpus/queries.parquet")
    judged = {"split": ["train"] * queries, "query_id": names, "document_id": ids, "score": [1] * queries}
    pl.DataFrame(judged, schema=schema.QRELS).write_parquet(run / "corpus/qrels.parquet")
    frozen = [("train", f"q{i}", asked[i], [f"d{i}"], nothing) for i in range(queries)]
    pl.DataFrame(frozen, schema=schema.FROZEN_QUERIES, orient="row").write_parquet(run / "queries/queries.parquet")
    query = np.repeat(np.arange(queries), depth + 1)
    rank = np.tile(np.arange(depth + 1), queries)
    rows = pl.DataFrame(
        {
            "query_id": pl.Series([f"q{i}" for i in query]),
            "document_id": pl.Series(ids[(query + rank * 7919) % queries].tolist()),
            "label": (rank == 0).astype(np.int8),
            "rank": rank + 1,
            "score": 5.0 - rank,
        }
    )
    missing = [
        pl.lit(None).cast(kind).alias(name) for name, kind in schema.CANDIDATES.items() if name not in rows.columns
    ]
    rows = rows.with_columns(missing).select(schema.CANDIDATES.names())
    table_ = rows.cast(dict(schema.CANDIDATES)).to_arrow(compat_level=pl.CompatLevel.oldest())
    import pyarrow.parquet as pq

    pq.write_table(
        table_.cast(schema.arrow_schema(schema.CANDIDATES)),
        run / "candidates/candidates.parquet",
        row_group_size=65_536,
    )


def stage(name: str, run: Path) -> None:
    """Make one stage; print the peak over the start in MB, and CPU seconds."""
    from hnhub.negatives.choose import make_negatives
    from hnhub.rows.assemble import make_rows

    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # a child's peak begins at its parent's
    base, start = peak(), time.process_time()
    if name == "choosing":
        make_negatives(
            run / "negatives",
            method="ce",
            candidates=run / "candidates/candidates.parquet",
            documents=run / "corpus/documents.parquet",
            queries=run / "queries/queries.parquet",
            qrels=run / "corpus/qrels.parquet",
            recipe=RECIPE,
        )
    else:
        make_rows(
            run / "dataset",
            corpus=run / "corpus",
            queries=run / "queries",
            negatives={"ce": run / "negatives"},
            recipe=RECIPE,
        )
    print(peak() - base, time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, nargs="+", default=[20_000, 60_000])
    parser.add_argument("--depth", type=int, default=14)
    parser.add_argument("--stage", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        stage(given.stage[0], Path(given.stage[1]))
        return
    found: dict[str, list[tuple[int, float, float]]] = {"choosing": [], "assembling": []}
    for queries in given.queries:
        with tempfile.TemporaryDirectory() as place:
            run = Path(place) / "run"
            make_input(run, queries, given.depth)
            for name, measured in found.items():
                command = [sys.executable, __file__, "--stage", name, str(run)]
                peak, seconds = map(
                    float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                )
                measured.append((queries * given.depth, peak, seconds))
    lines = [["", "rows", "peak over the start, MB", "CPU s"]]
    for name, measured in found.items():
        lines += [[name, f"{rows:,}", f"{peak:.0f}", f"{seconds:.1f}"] for rows, peak, seconds in measured]
        (few, low, _), (many, high, _) = measured[0], measured[-1]
        if many > few:
            at = high + max(0.0, high - low) / (many - few) * (7_000_000 - many)
            lines.append([f"{name}, on the same line", "7,000,000", f"{at:.0f}", ""])
            compared(
                f"{name.capitalize()} 7 million scored rows, peak (extrapolated from {many:,})",
                [at],
                unit="MB",
                goal=(1000, None),
            )
    print(f"{machine()}\n{table(lines)}")


if __name__ == "__main__":
    main()
