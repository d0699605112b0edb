"""The share of texts that each check of generated texts (`hnhub.text.sound`) catches: of real ones it should be next to none.

    python bench/generated_faults.py FOLDER... [--run RUN...] [--language en] [--show]

FOLDER: a BEIR folder (corpus.jsonl, queries.jsonl) or a build's run folder (corpus/documents.parquet). --run: a build's run folder,
of which the texts that its language model wrote are taken.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import polars as pl

from hnhub.records import contents
from hnhub.text.sound import REASONS, unsound


def real(folder: Path) -> dict[str, list[str]]:
    if (folder / "corpus.jsonl").exists():
        documents = [json.loads(line) for line in (folder / "corpus.jsonl").open()]
        queries = [json.loads(line)["text"] for line in (folder / "queries.jsonl").open()]
        return {"passages": [contents(row.get("title", ""), row["text"]) for row in documents], "queries": queries}
    rows = pl.read_parquet(folder / "corpus" / "documents.parquet").select("title", "text").iter_rows()
    return {"passages": [contents(title, text) for title, text in rows]}


def generated(run: Path) -> dict[str, list[str]]:
    found = {}
    for path in sorted((run / "candidates").glob("llm*/candidates.parquet")):
        found[f"{path.parent.name} negatives"] = pl.read_parquet(path)["text"].drop_nulls().to_list()
    queries = pl.read_parquet(run / "queries" / "queries.parquet")["query"].to_list()
    ledger = pl.read_parquet(run / "queries" / "ledger.parquet").filter(~pl.col("reason").is_in(["model_failure"]))
    return {**found, "queries": [*queries, *ledger["detail"].drop_nulls().str.split(" | ").list.first().to_list()]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--run", action="append", type=Path, default=[])
    parser.add_argument("--language", default="en")
    parser.add_argument("--show", action="store_true", help="print the beginnings of what is caught")
    given = parser.parse_args()
    print("| texts | number | " + " | ".join(REASONS) + " | any |")
    print("|---" * (len(REASONS) + 3) + "|")
    sets = [(f"{folder.name} {kind}", texts) for folder in given.folders for kind, texts in real(folder).items()]
    sets += [(f"{run.name}: written {kind}", texts) for run in given.run for kind, texts in generated(run).items()]
    for name, every in sets:
        texts = [text for text in every if text.strip()]
        found = Counter[str]()
        for text in texts:
            if reason := unsound(text, language=given.language):
                found[reason] += 1
                if given.show:
                    print(f"    {reason}: {text[:70]!r} ... {text[-70:]!r}")
        shares = [f"{found[reason] / len(texts):.2%}" for reason in REASONS]
        print(f"| {name} | {len(texts):,} | {' | '.join(shares)} | {found.total() / len(texts):.2%} |")


if __name__ == "__main__":
    main()
