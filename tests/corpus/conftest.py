"""A small corpus in BEIR layout that a test can spoil."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hnhub.corpus.load import make_corpus, resolve

DOCUMENTS: list[dict[str, Any]] = [
    {"_id": "d1", "title": "Wings", "text": "Lift grows with the angle of attack.", "metadata": {"year": 1958}},
    {"_id": "d2", "title": "", "text": "Über Grenzschichten: naïve Näherung"},
    {"_id": "d3", "title": "Only a title", "text": ""},
]
QUERIES = [
    {"_id": "q1", "text": "what is lift"},
    {"_id": "q2", "text": "boundary layers"},
    {"_id": "q3", "text": "why"},
]
QRELS = {
    "test": "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\n",
    "train": "query-id\tcorpus-id\tscore\nq2\td2\t2\n",
}


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good corpus: three documents, three queries, two splits."""
    place = tmp_path / "small"
    (place / "qrels").mkdir(parents=True)
    (place / "corpus.jsonl").write_text(lines(DOCUMENTS), encoding="utf-8")
    (place / "queries.jsonl").write_text(lines(QUERIES), encoding="utf-8")
    for split, text in QRELS.items():
        (place / "qrels" / f"{split}.tsv").write_text(text, encoding="utf-8")
    return place


@pytest.fixture
def load(tmp_path: Path) -> Callable[[Path], tuple[Mapping[str, Any], dict[str, pl.DataFrame]]]:
    """Load a folder; return the facts and the tables."""

    def run(place: Path) -> tuple[Mapping[str, Any], dict[str, pl.DataFrame]]:
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        facts = make_corpus(out, resolve(place.name, place))
        return facts, {path.stem: pl.read_parquet(path) for path in out.glob("*.parquet")}

    return run
