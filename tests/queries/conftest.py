"""A small corpus stage, and a model that writes by rules: it stands outside the project's code and answers as a server would."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pytest

from hnhub import schema
from hnhub.llm.types import Answer, Request
from hnhub.records import Provenance

TOPICS = ("zinc", "swifts", "glaciers", "vinegar", "violins", "tunnels", "copper", "lanterns", "orchards", "falcons")
PLACES = ("Norway", "the Alps", "old harbours", "northern cities", "mountain valleys", "dry summers")


def passage(i: int) -> str:
    """The text of document i, unlike every other."""
    topic, place = TOPICS[i % 10], PLACES[i // 10 % 6]
    return f"Report {i * 7919} describes {topic} in {place}, measured {i + 3} times by {i % 13 + 2} observers. It was cold."


class Rules:
    """Takes words of the passage as its seed says; some answers fail, are empty, copied, too long or said before."""

    def __init__(self, faults: bool = True) -> None:
        self.faults = faults
        self.requests: list[Request] = []

    def ask(self, requests: Iterable[Request]) -> Iterator[Answer]:
        for request in requests:
            self.requests.append(request)
            source = request.messages[-1].content.partition("Passage: ")[2].partition("\n")[0]
            text = self.query(source, request.seed)
            provenance = Provenance("queries", model="rules", revision="1", seed=request.seed)
            if text is None:
                yield Answer(request, None, None, "not JSON after 3 asks", 20, 3, provenance, cached=False)
            else:
                yield Answer(
                    request, json.dumps({"query": text}), {"query": text}, None, 20, 9, provenance, cached=False
                )

    def query(self, source: str, seed: int) -> str | None:
        words = source.split()
        kind = int(hashlib.sha256(str(seed).encode()).hexdigest(), 16) % 12 if self.faults else 11
        return {
            0: None,
            1: " ?! ",
            2: "why " * 60,
            3: " ".join(words[:9]),
            4: "how does limescale affect the energy a kettle uses",
            5: "What do observers report on Norway?",
            6: "does a reader of test queries leak here",
        }.get(kind, f"what did number {words[1]} say about {words[3]}")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """60 documents; train, dev and test queries with judgements."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    documents = [(f"d{i}", "" if i % 2 else f"Title {i}", passage(i)) for i in range(60)]
    documents.append(("copy", "", passage(1) + " "))
    train = [("train", f"q{i}", f"which {TOPICS[i % 10]} question has number {i * 31}?") for i in range(30)]
    train += [
        ("train", "same", "WHICH zinc question has number 0"),
        ("train", "leak", "Who counted the falcons of Oslo!"),
    ]
    train += [("train", "near", "who counted the falcons of oslo now"), ("train", "unjudged", "is anybody there")]
    test = [
        ("test", "t0", "who counted the falcons of Oslo?"),
        ("test", "t1", "does a reader of test queries leak here?"),
    ]
    dev = [("dev", "v0", "when do swifts leave")]
    pl.DataFrame(documents, schema=schema.DOCUMENTS, orient="row").write_parquet(folder / "documents.parquet")
    pl.DataFrame([*train, *dev, *test], schema=schema.QUERIES, orient="row").write_parquet(folder / "queries.parquet")
    qrels = [("train", f"q{i}", f"d{i}", 1) for i in range(30)]
    qrels += [("train", "q5", "d50", 2), ("train", "q5", "d40", 2), ("train", "q5", "d41", 0)]
    qrels += [("train", query, "d9", 1) for query in ("same", "leak", "near")]
    qrels += [("train", "unjudged", "d9", 0), ("dev", "v0", "d1", 1), ("test", "t0", "d1", 1), ("test", "t1", "d2", 1)]
    pl.DataFrame(qrels, schema=schema.QRELS, orient="row").write_parquet(folder / "qrels.parquet")
    return folder


@pytest.fixture
def rules() -> Rules:
    return Rules()


@pytest.fixture
def flawless() -> Rules:
    return Rules(faults=False)
