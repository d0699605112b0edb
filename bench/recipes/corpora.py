"""The lab's corpora, each with a train and a test split, and the datasets that are built of them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from arms import DATASETS

import hnhub
from hnhub.learn.evaluate import Judged, split_of

__all__ = ["BEIR", "Material", "material"]

BEIR = Path(__file__).resolve().parents[3] / "shared" / "data" / "beir"
_POSITIVES, _NEGATIVES = 10, 5


@dataclass(frozen=True)
class Material:
    """A corpus's test split and its training datasets by name."""

    name: str
    test: Judged
    datasets: dict[str, Path]


def material(name: str, out: Path, beir: Path = BEIR) -> Material:
    """Open a corpus in BEIR's layout below `beir` and build the datasets of `arms.DATASETS` from its train split."""
    folder = beir / name
    if not (folder / "qrels" / "train.tsv").exists():
        folder = _halved(folder, out / "halves" / name)
    corpus = hnhub.open_corpus(folder, name=name)
    datasets = {}
    for dataset, options in DATASETS.items():
        run = hnhub.build(
            corpus, methods=["bm25"], queries_from="qrels", negatives=_NEGATIVES, positives=_POSITIVES,
            out=out / "builds" / dataset, **options,
        )  # fmt: skip
        datasets[dataset] = Path(run.folder)
    return Material(name, split_of(corpus, "test"), datasets)


def _halved(folder: Path, out: Path) -> Path:
    """A copy whose one judged split is cut in two by query, half for training and half for the test."""
    (out / "qrels").mkdir(parents=True, exist_ok=True)
    for name in ("corpus.jsonl", "queries.jsonl"):
        link = out / name
        if not link.exists():
            link.symlink_to((folder / name).resolve())
    header, *lines = (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
    queries = list(dict.fromkeys(line.split("\t")[0] for line in lines))
    test = {queries[at] for at in np.random.default_rng(0).permutation(len(queries))[: len(queries) // 2]}
    for split, wanted in (("train", False), ("test", True)):
        kept = [line for line in lines if (line.split("\t")[0] in test) == wanted]
        (out / "qrels" / f"{split}.tsv").write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")
    (out / "halves.json").write_text(json.dumps({"test": sorted(test)}) + "\n", encoding="utf-8")
    return out
