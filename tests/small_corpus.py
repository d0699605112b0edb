"""A made-up corpus in BEIR layout, and what a built folder holds."""

import hashlib
import json
import random
from pathlib import Path

WORDS = [
    "river",
    "stone",
    "engine",
    "glass",
    "winter",
    "market",
    "signal",
    "forest",
    "copper",
    "island",
    "paper",
    "bridge",
    "violin",
    "desert",
    "harbour",
    "candle",
    "planet",
    "garden",
    "mirror",
    "thunder",
    "kettle",
    "wagon",
    "feather",
    "anchor",
    "compass",
    "ladder",
    "lantern",
    "meadow",
    "orchard",
    "pepper",
    "quarry",
    "ribbon",
]


def write_corpus(folder: Path, documents: int = 300, queries: int = 60) -> Path:
    """A BEIR folder of made-up passages, each judged relevant to at most one query."""
    draw = random.Random(7)
    (folder / "qrels").mkdir(parents=True)
    texts = [f"{' '.join(draw.choices(WORDS, k=40))} number{i}." for i in range(documents)]
    lines = [json.dumps({"_id": f"d{i}", "title": f"Title {i}", "text": text}) for i, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    judged = range(queries)
    asked = [{"_id": f"q{i}", "text": f"{' '.join(draw.sample(texts[i].split(), 6))} number{i}"} for i in judged]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)) + "\n")
    for split, part in (("train", judged[: queries * 3 // 4]), ("test", judged[queries * 3 // 4 :])):
        rows = "".join(f"q{i}\td{i}\t1\n" for i in part)
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    return folder


def content(folder: Path) -> dict[str, str]:
    """Path -> hash of every file of a dataset."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
