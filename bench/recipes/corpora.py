"""The lab's corpora, each with a train and a test split, and the datasets that are built of them when an arm asks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import hnhub
from hnhub.corpus.opened import Corpus
from hnhub.encode.models import resolve
from hnhub.learn.evaluate import Judged, split_of
from hnhub.learn.leaks import check_leaks
from hnhub.learn.options import settings_for
from hnhub.learn.train import train_stage
from hnhub.learn.training_data import load_training_data
from small_models import minilm

__all__ = ["BEIR", "Material", "material"]

BEIR = Path(__file__).resolve().parents[3] / "shared" / "data" / "beir"
_NEGATIVES, _TITLES = 5, 1000
_MOST: Mapping[str, Mapping[str, int]] = {"nfcorpus": {"queries": 1000, "positives": 5}}
"""Of a corpus that has more than a lab of seconds an arm can take."""

_RECUT: Mapping[str, Mapping[str, Any]] = {
    "random": {"sampling": "random"},
    "stratified": {"sampling": "stratified"},
    "cut": {"max_percent": 0.95, "negatives": 3},
}
"""Other choices from the candidates of `top`, as options of `hnhub.recut`. `cut` is by BM25's own scores."""

_JUDGED: Mapping[str, Any] = {"negatives": 3, "judge": "ce", "max_percent": 0.95}
"""What the corpus's own cross-encoder finds nearly as good as the positive is dropped: of the six that it is shown."""
_SCORED: Mapping[str, Any] = {"negatives": 3, "methods": ["bm25", "ce"], "depth": 20, "max_percent": 0.95}
"""It scores BM25's best 20."""
_JUDGE: Mapping[str, Any] = {
    "kind": "cross-encoder", "negatives": 2, "epochs": 1.0, "batch": 48, "learning_rate": 7e-5, "max_length": 128
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Material:
    """A corpus's test split, and training datasets by name."""

    name: str
    corpus: Corpus
    test: Judged
    out: Path

    def dataset(self, name: str) -> Path:
        """A dataset's folder, built if it is not there: `top`, `judged`, `titles`, or one that is recut from `top`.

        Negatives are BM25's best 100. `judged` and `scored` ask a cross-encoder that was trained on the same rows in one pass;
        `cut-ce` are BM25's best that it leaves. `titles` are titles as queries and the texts without them, of documents that no test
        query asks for.
        """
        place = self.out / "builds" / name
        if name in _RECUT:
            return Path(hnhub.recut(self.dataset("top"), out=place / self.name, **_RECUT[name]).folder)  # type: ignore[misc]
        if name == "cut-ce":
            return Path(hnhub.recut(self.dataset("scored"), out=place / self.name, by="ce_score").folder)
        if name == "titles":
            return self._titles(place)
        options: dict[str, Any] = {
            "methods": ["bm25"],
            "negatives": _NEGATIVES,
            "positives": 10,
            **_MOST.get(self.name, {}),
        }
        if name in ("judged", "scored"):
            options |= {**(_JUDGED if name == "judged" else _SCORED), "cross_encoder": self.judge()}
        return Path(hnhub.build(self.corpus, queries_from="qrels", out=place, **options).folder)

    def judge(self) -> str:
        """The folder of MiniLM as a cross-encoder, trained on the rows of `top` without any test query."""
        data = load_training_data(str(self.dataset("top")), "bm25", held_out_share=0)
        checked = check_leaks(data, [self.test], on_leak="drop")
        settings = settings_for(minilm(), **_JUDGE)
        folder = self.out / "models" / f"cross-encoder-{self.name}"
        train_stage(folder, checked.data, resolve(minilm()), settings, checked.facts)
        return str(folder)

    def _titles(self, place: Path) -> Path:
        asked = {document for documents in self.test.relevant_ids.values() for document in documents}
        found = pl.read_parquet(self.test.documents)
        texts = {
            document: text.removeprefix(title).lstrip(" .") if title else text
            for document, title, text in found.iter_rows()
        }
        titled = [
            (title, texts[document])
            for document, title, _ in found.iter_rows()
            if len(title.split()) > 2 and len(texts[document]) > 200 and document not in asked
        ]
        drawn = np.random.default_rng(0).permutation(len(titled))[:_TITLES]
        mined = hnhub.mine(
            [titled[at] for at in sorted(drawn)], corpus={d: text for d, text in texts.items() if text},
            name=self.name, negatives=_NEGATIVES, out=place,
        )  # fmt: skip
        return Path(mined.run.folder)


def material(name: str, out: Path, beir: Path = BEIR) -> Material:
    """Open a corpus in BEIR's layout below `beir`; one with a single judged split is cut in two."""
    folder = beir / name
    if not (folder / "qrels" / "train.tsv").exists():
        folder = _halved(folder, out / "halves" / name)
    corpus = hnhub.open_corpus(folder, name=name)
    return Material(name, corpus, split_of(corpus, "test"), out)


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
