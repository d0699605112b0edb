"""`hnhub.mine` against sentence-transformers' `mine_hard_negatives`: same model, pairs and corpus, each in a process of its own.

    python bench/mine.py --beir path/to/beir --corpora scifact cranfield --made 100000

False negatives are chosen negatives that the corpus's judgements call relevant to the query. `--made N` adds N made-up pairs.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _common import compared

NEGATIVES = 5
ARMS = ("hnhub bm25", "hnhub dense", "sentence-transformers", "sentence-transformers, margin 0.05")


def read_pairs(folder: Path, split: str) -> dict[str, Any]:
    """Pairs of a BEIR folder's split, its passages, and every relevant text by query."""
    lines = [json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8")]
    texts = {one["_id"]: f"{one.get('title', '')} {one['text']}".strip() for one in lines}
    queries = {one["_id"]: one["text"] for one in map(json.loads, (folder / "queries.jsonl").open(encoding="utf-8"))}
    pairs, relevant = [], {}
    for path in sorted((folder / "qrels").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            query, document, score = line.split("\t")
            if int(score) > 0 and texts.get(document):
                relevant.setdefault(queries[query], []).append(texts[document])
                if path.stem == split:
                    pairs.append((queries[query], texts[document]))
    return {"pairs": pairs, "corpus": [text for text in texts.values() if text], "relevant": relevant}


def made_pairs(count: int) -> dict[str, Any]:
    """Pairs of made-up words: each query is six words of its passage."""
    draw = random.Random(3)
    words = ["".join(draw.choices("abcdefghiklmnoprstuw", k=draw.randint(3, 9))) for _ in range(20_000)]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    passages = [" ".join(draw.choices(words, weights, k=60)) for _ in range(count)]
    pairs = [(" ".join(draw.sample(passage.split(), 6)), passage) for passage in passages]
    return {"pairs": pairs, "corpus": None, "relevant": {}}


def run(arm: str, data: Path, model: str) -> None:
    """In a process of its own: mine, and print what came of it, in seconds from the first import on: hnhub imports what it needs as it goes."""
    given = json.loads(data.read_text(encoding="utf-8"))
    pairs = [tuple(pair) for pair in given["pairs"]]
    started = time.perf_counter()
    if arm.startswith("hnhub"):
        import hnhub

        method = arm.split()[1]
        mined = hnhub.mine(
            pairs,
            corpus=given["corpus"],
            method=method,
            negatives=NEGATIVES,
            model=model if method == "dense" else None,
        )
        rows = mined.dataset
    else:
        import datasets
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.util import mine_hard_negatives

        encoder = SentenceTransformer(model)
        frame = datasets.Dataset.from_dict({"query": [q for q, _ in pairs], "positive": [p for _, p in pairs]})
        margin = {"relative_margin": 0.05} if "margin" in arm else {}
        rows = mine_hard_negatives(
            frame, encoder, corpus=given["corpus"], num_negatives=NEGATIVES, range_max=100, output_format="n-tuple",
            verbose=False, **margin,
        )  # fmt: skip
    seconds = time.perf_counter() - started
    relevant = {query: set(texts) for query, texts in given["relevant"].items()}
    wrong = total = 0
    for row in rows:
        texts = [row[f"negative_{n}"] for n in range(1, NEGATIVES + 1)]
        total += len(texts)
        wrong += sum(text in relevant.get(row["query"], ()) for text in texts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "rows": len(rows), "negatives": total, "wrong": wrong}))


def measure(arm: str, data: Path, model: str) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, __file__, "--arm", arm, "--data", data, "--model", model],
            env={**os.environ, "HNHUB_HOME": home, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{arm}: {done.stderr[-2000:]}")
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beir", type=Path)
    parser.add_argument("--corpora", nargs="*", default=[])
    parser.add_argument("--split", default="train", help="of a corpus without it: test")
    parser.add_argument("--made", type=int, default=0)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--model", help="a sentence-transformers folder; by default WordLlama's static vectors")
    parser.add_argument("--arm")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    if options.arm:
        run(options.arm, options.data, options.model)
        return
    with tempfile.TemporaryDirectory() as place:
        model = options.model
        if model is None:
            sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
            import small_models

            model = small_models.word_vectors(Path(place) / "wordllama", 256)
        given = {}
        for name in options.corpora:
            found = read_pairs(options.beir / name, options.split)
            given[name] = found if found["pairs"] else read_pairs(options.beir / name, "test")
        if options.made:
            given[f"{options.made:,} made pairs"] = made_pairs(options.made)
        print(
            "| pairs | arm | seconds | peak MB | rows | judged relevant among negatives |\n|---|---|---:|---:|---:|---:|"
        )
        for name, found in given.items():
            data = Path(place) / "data.json"
            data.write_text(json.dumps(found), encoding="utf-8")
            arms = {arm: [measure(arm, data, model) for _ in range(options.runs)] for arm in ARMS}
            for arm in ("hnhub bm25", "hnhub dense"):
                seconds, theirs = ([run["seconds"] for run in arms[one]] for one in (arm, "sentence-transformers"))
                compared(f"mine, {name}: {arm.split()[1]}, static vectors", seconds, peer="mine_hard_negatives",
                         theirs=theirs, unit="s")  # fmt: skip
            for arm, (one, *_) in arms.items():
                print(
                    f"| {name} ({len(found['pairs']):,}) | {arm} | {one['seconds']:.1f} | {one['peak']:,.0f} | "
                    f"{one['rows']:,} | {one['wrong']:,} of {one['negatives']:,} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
