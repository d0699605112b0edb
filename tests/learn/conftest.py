import csv
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

BEIR = Path(__file__).parents[2] / "../shared/data/beir"


def qrels(name, split):
    found = {}
    with (BEIR / name / "qrels" / f"{split}.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return found


def lines(name, what):
    with (BEIR / name / f"{what}.jsonl").open() as file:
        return [json.loads(line) for line in file]


@pytest.fixture(scope="session")
def beir():
    """Real corpora, where they lie beside the checkout."""
    if not BEIR.is_dir():
        pytest.skip("no folder of real corpora beside the checkout")
    return SimpleNamespace(folder=BEIR, qrels=qrels, lines=lines)
