import json
from pathlib import Path

import mlcroissant
import polars as pl
import pytest

from hnhub.publish.croissant import render_croissant
from hnhub.stages import file_sha256
from small_run import make_dataset

# mlcroissant calls what rdflib and pandas are about to remove.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index"),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("run"))


@pytest.fixture
def loaded(dataset: Path) -> mlcroissant.Dataset:
    return mlcroissant.Dataset(dataset / "croissant.json")


def test_mlcroissant_finds_no_error(loaded: mlcroissant.Dataset) -> None:
    issues = loaded.metadata.ctx.issues
    assert not issues.errors
    # A date of publication is not known when the file is made, and equal data shall give equal bytes.
    assert [warning for warning in issues.warnings if "datePublished" not in warning] == []


def test_records_are_those_of_the_files(dataset: Path, loaded: mlcroissant.Dataset) -> None:
    sets = [record_set.uuid for record_set in loaded.metadata.record_sets]
    assert len(sets) == 5
    for name in sets:
        rows = pl.read_parquet(dataset / "data" / f"{name}.parquet")
        records = list(loaded.records(name))
        assert len(records) == len(rows)
        first = {key.removeprefix(f"{name}/"): value for key, value in records[0].items()}
        assert set(first) == set(rows.columns)
        text = "query" if "query" in rows.columns else "text"
        assert first[text].decode() == rows[text][0]


def test_hashes_and_responsible_ai_fields(dataset: Path, loaded: mlcroissant.Dataset) -> None:
    document = json.loads((dataset / "croissant.json").read_text())
    assert {entry["contentUrl"]: entry["sha256"] for entry in document["distribution"]} == {
        path.relative_to(dataset).as_posix(): file_sha256(path) for path in dataset.glob("data/*/*.parquet")
    }
    assert document["rai:hasSyntheticData"] is True
    assert "the negatives of llm" in loaded.metadata.data_collection
    assert loaded.metadata.machine_annotation_tools == ["smol"]
    assert loaded.metadata.data_limitations


def test_the_same_facts_give_the_same_file(dataset: Path) -> None:
    facts = json.loads((dataset / "stats.json").read_text())
    assert render_croissant(facts) == (dataset / "croissant.json").read_text()
