"""The page of `hnhub view`: reading a dataset and writing it as HTML. No peer makes such a page.

python bench/view.py [--queries 2000] [--runs 3]
"""

import argparse
import tempfile
from pathlib import Path

import polars as pl

import hnhub
from _common import compared, cpu_seconds, machine, spread, synthetic, table


def write_corpus(folder: Path, queries: int) -> None:
    """A BEIR folder: passages of 90 words, each query eight words of one."""
    texts = [text for batch in synthetic(queries, 90) for text in batch]
    (folder / "qrels").mkdir(parents=True)
    rows = pl.DataFrame({"_id": [f"d{i}" for i in range(queries)], "title": "", "text": texts})
    rows.write_ndjson(folder / "corpus.jsonl")
    asked = pl.DataFrame(
        {"_id": [f"q{i}" for i in range(queries)], "text": [" ".join(text.split()[:8]) for text in texts]}
    )
    asked.write_ndjson(folder / "queries.jsonl")
    judged = pl.DataFrame({"query-id": asked["_id"], "corpus-id": rows["_id"], "score": 1})
    judged.write_csv(folder / "qrels" / "train.tsv", separator="\t")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_corpus(folder / "made", given.queries)
        run = hnhub.build(folder / "made", methods=["bm25"], queries_from="qrels", negatives=5, out=folder / "runs")
        dataset = run.folder
        ours, sizes = [], []
        for _ in range(given.runs):
            seconds, page = cpu_seconds(lambda: hnhub.view(dataset).save(folder / "page.html"))
            assert isinstance(page, Path)
            ours.append(seconds)
            sizes.append(page.stat().st_size / 1e6)
    compared(f"view, a page of {given.queries:,} queries", ours, unit="CPU s")
    print(machine())
    print(table([["", "CPU s"], ["hnhub view", spread(ours)]]))
    print(f"the page: {sizes[0]:.1f} MB")


if __name__ == "__main__":
    main()
