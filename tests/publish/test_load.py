import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest
import yaml

import hnhub
from hnhub.errors import InputError
from hnhub.publish.card import config_schema
from hnhub.publish.load import HardNegatives, load_run
from hnhub.schema import features
from small_run import RECIPE, make_dataset

CONFIGS = ("llm", "bm25", "llm-scored", "bm25-scored", "queries")

LOAD = """
import json, sys
from datasets import load_dataset
found = {}
for config in sys.argv[2:]:
    whole = load_dataset(sys.argv[1], config)
    streamed = load_dataset(sys.argv[1], config, streaming=True)
    found[config] = {
        split: {
            "rows": rows.to_list(),
            "streamed": list(streamed[split]) == rows.to_list(),
            "features": rows.features.to_dict(),
            "num_bytes": rows.info.splits[split].num_bytes,
        }
        for split, rows in whole.items()
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def loaded(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `load_dataset` gives in a process with an empty cache."""
    environment = {**os.environ, "HF_HOME": str(tmp_path_factory.mktemp("hf")), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", LOAD, str(dataset), *CONFIGS]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("config", CONFIGS)
def test_load_dataset_gives_the_rows_whole_and_streamed(config: str, dataset: Path, loaded: dict[str, Any]) -> None:
    train = loaded[config]["train"]
    assert train["rows"] == pl.read_parquet(dataset / "data" / config / "*.parquet").to_dicts()
    assert train["streamed"]
    assert datasets.Features.from_dict(train["features"]) == features(config_schema(config, RECIPE.negatives))


@pytest.mark.parametrize("config", CONFIGS)
def test_the_card_s_sizes_are_those_that_datasets_finds(config: str, dataset: Path, loaded: dict[str, Any]) -> None:
    metadata = yaml.safe_load((dataset / "README.md").read_text().split("---\n", 2)[1])
    (info,) = [info for info in metadata["dataset_info"] if info["config_name"] == config]
    assert info["splits"] == [
        {
            "name": "train",
            "num_bytes": loaded[config]["train"]["num_bytes"],
            "num_examples": len(loaded[config]["train"]["rows"]),
        }
    ]


@pytest.mark.parametrize("config", CONFIGS)
def test_load_run_gives_the_same(config: str, dataset: Path, loaded: dict[str, Any], cache: Path) -> None:
    found = load_run(dataset, config)
    assert isinstance(found, datasets.DatasetDict)
    assert found["train"].to_list() == loaded[config]["train"]["rows"]
    assert found["train"].features == features(config_schema(config, RECIPE.negatives))


def test_without_a_config_comes_what_trains(dataset: Path, cache: Path) -> None:
    assert hnhub.load_run(dataset)["train"].column_names == ["query", "positive", "negative_1", "negative_2"]


def test_a_folder_that_was_built_again_is_read_again(tmp_path: Path, cache: Path) -> None:
    first = load_run(make_dataset(tmp_path / "a"), "bm25")
    # The same name, version and config; other rows.
    second = load_run(make_dataset(tmp_path / "b", shortfall=False), "bm25")
    assert (len(first["train"]), len(second["train"])) == (11, 12)


def test_a_corpus_of_the_hub_has_a_name_that_no_folder_can_have(tmp_path: Path, cache: Path) -> None:
    folder = make_dataset(tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"corpus": "owner/name@v1"}))
    assert load_run(folder)["train"].num_rows


def test_texts_are_joined_from_the_user_s_copy(tmp_path: Path, cache: Path) -> None:
    open_, gated = tmp_path / "open", tmp_path / "gated"
    published = make_dataset(open_)
    ids_only = make_dataset(gated, publish_text=False)
    with pytest.raises(InputError, match="has no config 'bm25'"):
        load_run(ids_only, "bm25")
    for config in ("llm", "bm25", "bm25-scored"):
        joined = load_run(ids_only, config, corpus=gated / "corpus")
        assert joined["train"].to_list() == load_run(published, config)["train"].to_list()


def test_what_is_not_there_is_named(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no config 'dense'; choose among queries, llm"):
        load_run(dataset, "dense")
    with pytest.raises(InputError, match=r"manifest\.json"):
        load_run(tmp_path)


def test_the_builder_is_named_after_the_dataset(dataset: Path, cache: Path) -> None:
    builder = HardNegatives(dataset, "bm25")
    assert builder.dataset_name == "tiny-hard-negatives"
    assert builder.cache_dir.startswith(str(cache))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"
