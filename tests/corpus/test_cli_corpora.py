"""`hnhub corpora`."""

import json
import subprocess
from collections.abc import Callable

from hnhub.corpus.catalog import CATALOG

Hnhub = Callable[..., subprocess.CompletedProcess[str]]


def test_table(hnhub: Hnhub) -> None:
    done = hnhub("corpora")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert [line.split()[0] for line in lines[1:]] == list(CATALOG)
    assert max(map(len, lines)) <= 130
    assert not any(line.endswith(" ") for line in lines)
    scifact = next(line for line in lines if line.startswith("scifact"))
    assert scifact.split() == [
        "scifact",
        "5,183",
        "809",
        "300",
        "cc-by-nc-4.0",
        "yes",
        "claim",
        "0.6789",
        "BeIR@b3b53356",
    ]


def test_one_in_full(hnhub: Hnhub) -> None:
    text = hnhub("corpora", "scifact").stdout
    for part in ("b3b5335604bf", "nDCG@10 0.6789", "sources disagree", "@inproceedings{wadden2020scifact", "claim:"):
        assert part in text
    assert "depends on the Python version" in hnhub("corpora", "pydocs").stdout


def test_json(hnhub: Hnhub) -> None:
    entries = json.loads(hnhub("corpora", "--json").stdout)
    assert [entry["name"] for entry in entries] == list(CATALOG)
    one = json.loads(hnhub("corpora", "robust04", "--json").stdout)
    assert one["access"] == "gated"
    assert one["redistributable"] is False
    assert one["bm25"]["flat"] == {"nDCG@10": 0.407, "Recall@100": 0.3746}


def test_a_wrong_name(hnhub: Hnhub) -> None:
    done = hnhub("corpora", "cqadupstack")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("hnhub: cqadupstack is twelve corpora; take one of cqadupstack-android")
