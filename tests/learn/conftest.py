"""A small corpus, a dataset in the published layout, and small real models."""

import csv
import json

import polars as pl
import pytest

import small_models
from hnhub import schema

ADJECTIVES = ("red", "old", "tall", "quiet", "northern", "broken", "golden", "hollow")
NOUNS = ("kettle", "river", "violin", "glacier", "orchard", "compass", "lantern", "falcon")
# Short, so that two things' documents are no near-duplicates of each other.
FACTS = ("is heavy", "fades in rain", "was named")
THINGS = [f"{adjective} {noun}" for adjective in ADJECTIVES for noun in NOUNS]
TRAIN, TEST = THINGS[:44], THINGS[44:]


def document(thing, fact):
    return f"{thing.replace(' ', '-')}-{FACTS.index(fact)}", f"The {thing}", f"{thing} {fact}."


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """On a busy machine two threads that wait for each other are many times slower than one."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A folder in BEIR layout: 192 documents, 44 train and 20 test queries with one relevant document each."""
    folder = tmp_path_factory.mktemp("corpora") / "things"
    (folder / "qrels").mkdir(parents=True)
    documents = [document(thing, fact) for thing in THINGS for fact in FACTS]
    lines = [json.dumps({"_id": i, "title": title, "text": text}) for i, title, text in documents]
    (folder / "corpus.jsonl").write_text("\n".join(lines))
    asked = [json.dumps({"_id": "q-" + t.replace(" ", "_"), "text": f"does rain fade the {t}"}) for t in THINGS]
    (folder / "queries.jsonl").write_text("\n".join(asked))
    for split, things in (("train", TRAIN), ("test", TEST)):
        with (folder / "qrels" / f"{split}.tsv").open("w") as file:
            rows = csv.writer(file, delimiter="\t")
            rows.writerow(["query-id", "corpus-id", "score"])
            rows.writerows(["q-" + t.replace(" ", "_"), document(t, FACTS[1])[0], 1] for t in things)
    return folder


def _write_dataset(folder, rows, scored=(), name="things"):
    """A dataset folder in the published layout with the configs bm25 and bm25-scored; the latter of before there were scores of
    several scorers, or with them."""
    columns = schema.SCORED if scored and len(scored[0]) == len(schema.SCORED) else schema.SCORED_BEFORE
    configs = {"bm25": (rows, schema.triplet(len(rows[0]) - 2)), "bm25-scored": (scored, columns)}
    yaml = []
    for config, (table, columns) in configs.items():
        if not table:
            continue
        path = folder / "data" / config / "train-00000-of-00001.parquet"
        path.parent.mkdir(parents=True)
        pl.DataFrame(table, schema=columns, orient="row").write_parquet(path)
        yaml += [
            f"- config_name: {config}",
            "  data_files:",
            "  - split: train",
            f"    path: data/{config}/train-*.parquet",
        ]
    (folder / "README.md").write_text("---\n" + "\n".join(["configs:", *yaml]) + "\n---\n")
    (folder / "manifest.json").write_text(json.dumps({"hnhub": "0", "corpus": name}))
    return folder


def training_rows(things):
    """Query, positive, and as negatives the same thing's other facts and another thing's same fact."""
    rows = []
    for i, thing in enumerate(things):
        texts = [" ".join(document(t, f)[1:]) for t, f in
                 [(thing, FACTS[1]), (thing, FACTS[0]), (things[i - 1], FACTS[1])]]  # fmt: skip
        rows.append((f"does rain fade the {thing}", *texts))
    return rows


@pytest.fixture
def make_dataset(tmp_path, monkeypatch):
    """Write a dataset of `things` (the train ones by default), with scores 9, 4, 1; return its folder."""

    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))

    def make(things=TRAIN, name="dataset"):
        rows = training_rows(things)
        scored = []
        for i, (query, *texts) in enumerate(rows):
            for position, (text, score) in enumerate(zip(texts, (9.0, 4.0, 1.0), strict=True)):
                scored.append(
                    (
                        f"q{i}",
                        query,
                        f"d{i}-{position}",
                        text,
                        int(position == 0),
                        position or None,
                        score,
                        "keep",
                        None,
                        position or None,
                        None,
                    )
                )
        return _write_dataset(tmp_path / name, rows, scored)

    return make


@pytest.fixture
def write_dataset():
    """Write a dataset folder of given rows."""
    return _write_dataset


@pytest.fixture(scope="session")
def static_model(tmp_path_factory):
    """Static embeddings of 32 numbers: pretrained, and trained in seconds."""
    return small_models.word_vectors(tmp_path_factory.mktemp("models") / "wordllama", 32)


@pytest.fixture(scope="session")
def minilm():
    return small_models.minilm()


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    return small_models.tiny_bert(tmp_path_factory.mktemp("models"))


@pytest.fixture
def things(corpus, tmp_path, monkeypatch):
    """The test split of the small corpus, by name."""
    from hnhub.learn.evaluate import open_split

    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HNHUB_CORPORA", str(corpus.parent))
    return open_split("things", "test")
