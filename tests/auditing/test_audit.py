"""Checks that find what is there and leave alone what is not; the command, card and page."""

import json
import random
import string
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import hnhub
from hnhub.auditing.dataset import across_splits, diversity
from hnhub.auditing.methods import drift, hardness, language, shortcut
from hnhub.auditing.nearness import Nearness
from hnhub.auditing.probe import probe
from hnhub.auditing.sample import Pairs, read_hardness
from hnhub.viewer.read import read_view
from hnhub.viewer.records import Shown
from small_corpus import WORDS
from small_run import make_dataset

Run = Callable[..., subprocess.CompletedProcess[str]]


def pairs(negative: Callable[[random.Random], str], count: int = 250) -> Pairs:
    draw = random.Random(3)
    positives = [" ".join(draw.choices(WORDS, k=draw.randint(10, 60))) for _ in range(count)]
    return Pairs([f"query {n}" for n in range(count)], positives, [[negative(draw)] for _ in range(count)])


def test_the_probe_finds_a_manner_of_writing() -> None:
    found = probe(pairs(lambda draw: "However, " + " ".join(draw.choices(WORDS, k=draw.randint(10, 60))) + "!"), 0)
    assert found is not None
    assert found["auc"] > 0.98
    assert shortcut("llm", found, [0.6]).fine is False


def test_the_probe_finds_nothing_where_there_is_nothing() -> None:
    found = probe(pairs(lambda draw: " ".join(draw.choices(WORDS, k=draw.randint(10, 60)))), 0)
    assert found is not None
    assert 0.35 < found["auc"] < 0.65
    assert shortcut("llm", found, []).fine is True
    assert found == probe(pairs(lambda draw: " ".join(draw.choices(WORDS, k=draw.randint(10, 60)))), 0)


def test_length_is_no_shortcut_for_the_probe() -> None:
    found = probe(pairs(lambda draw: " ".join(draw.choices(WORDS, k=draw.randint(40, 90))), 800), 0)
    assert found is not None
    assert abs(found["auc"] - 0.5) < 0.12


def test_too_few_texts_are_no_measurement() -> None:
    assert probe(pairs(lambda draw: draw.choice(WORDS), 20), 0) is None
    assert shortcut("bm25", None, []).fine is None
    many = pairs(lambda draw: " ".join(draw.choices(WORDS, k=draw.randint(10, 60))))
    assert probe(replace(many, queries=[f"query {n % 4}" for n in range(len(many))]), 0) is None, "fewer than folds"


class Letters:
    """An encoder that knows which letters a text has."""

    def encode_queries(self, texts: Sequence[str]) -> Any:
        return np.array([[text.count(letter) + 0.01 for letter in string.ascii_lowercase] for text in texts])

    encode_documents = encode_queries


@pytest.mark.parametrize(("same", "fine"), [(True, True), (False, False)])
def test_negatives_off_the_topic_are_found(same: bool, fine: bool) -> None:
    topics = [letter * 4 for letter in string.ascii_lowercase] * 2
    rows = Pairs(
        [f"{t}{i}" for i, t in enumerate(topics)],
        topics,
        [[t + "z" if same else topics[i - 1]] for i, t in enumerate(topics)],
    )
    found = drift(rows, Nearness(Letters()), 0)
    assert found.fine is fine
    assert found.figures["drifted"] == (0 if same else 1)
    assert drift(rows, Nearness(None), 0).fine is None


def test_hardness_is_in_shares_of_the_positives_score(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path)
    nearness = read_hardness(folder, "bm25")  # positives have 9.5, negatives 7.25 and 6
    assert sorted({round(value, 4) for value in nearness}) == [round(6 / 9.5, 4), round(7.25 / 9.5, 4)]
    assert hardness("bm25", nearness).fine is True
    assert hardness("bm25", pl.Series([0.96, 1.2, 0.3])).fine is False
    assert hardness("llm", read_hardness(folder, "llm")).fine is None


def test_what_was_promoted_is_no_positive_to_measure_hardness_by(tmp_path: Path) -> None:
    def promote(out: Path) -> None:
        (path,) = (out / "data" / "bm25-scored").iterdir()
        promoted = {"label": pl.lit(1, pl.Int8), "verdict": pl.lit("promote"), "score": pl.lit(99.0)}
        columns = [pl.when(pl.col("rank") == 2).then(to).otherwise(name).alias(name) for name, to in promoted.items()]
        pl.read_parquet(path).with_columns(columns).write_parquet(path)

    plain, promoted = make_dataset(tmp_path / "a"), make_dataset(tmp_path / "b", change=promote)
    assert sorted(read_hardness(promoted, "bm25")) == sorted(read_hardness(plain, "bm25"))


def test_other_languages_copies_and_monotony_are_found() -> None:
    german = "Der Kessel kocht zwei Liter Wasser in vier Minuten und schaltet sich danach von selbst wieder ab."
    found = language(Pairs(["q"] * 10, ["p"] * 10, [[german]] * 10), "en")
    assert (found.fine, found.figures["share"]) == (False, 1.0)
    assert (
        across_splits({"train": ["which kettle boils four litres"], "test": ["Which kettle boils four litres?"]}).fine
        is False
    )
    assert across_splits({"train": ["which kettle boils"], "test": ["what is the sea made of"]}).fine is True
    same = diversity({"train": [f"what is {word} made of" for word in WORDS]}, Nearness(None))
    assert (same.fine, same.figures["opening"]) == (False, "what is")
    assert (
        diversity(
            {"train": [f"{word} {other} of old" for word, other in zip(WORDS, reversed(WORDS), strict=True)]},
            Nearness(None),
        ).fine
        is True
    )
    twice = diversity({"train": ["abc", "abc ", "defg", "hij a", "jj"]}, Nearness(Letters()))
    assert twice.figures["repeated"] == 1


def test_what_was_found_is_saved_into_card_and_page(here: Run, tmp_path: Path) -> None:
    folder = make_dataset(tmp_path)
    told = here("audit", folder)
    assert told.returncode == 0, told.stderr
    assert "bm25, 11 rows" in told.stdout
    assert "NV-Retriever" in told.stdout
    before = (folder / "stats.json").read_text(encoding="utf-8")
    saved = here("audit", folder, "--save", "--json")
    assert saved.returncode == 0, saved.stderr
    facts = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    assert facts["audit"] == json.loads(saved.stdout)
    assert "audit" not in json.loads(before)
    assert "| `bm25` | hardness | fine |" in (folder / "README.md").read_text(encoding="utf-8")
    assert here("validate", folder).returncode == 0
    assert here("card", folder, "--check").returncode == 0
    assert read_view(folder, Shown())["numbers"]["audit"] == facts["audit"]
    assert here("audit", "acme/none", "--save").returncode == 2


def test_a_verdict_in_python(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(home))
    found = hnhub.audit(make_dataset(tmp_path))
    assert not found.fine  # all its queries begin alike
    assert "diversity" in repr(found)
    assert "<table>" in found._repr_html_()
