"""The plans of the paper's table: whole, pinned, countable; and the same plans in small, to the end (slow)."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import hnhub
import small_models
from hnhub.api.compare_forecast import forecast_compare
from hnhub.api.release import read_release
from hnhub.encode.models import resolve
from hnhub.errors import InputError
from hnhub.learn.compare_plan import PlannedCorpus, read_plan

REPOSITORY = Path(__file__).resolve().parents[2]
RELEASE, COMPARE = REPOSITORY / "releases" / "paper.toml", REPOSITORY / "compare" / "paper.toml"
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_two_plans_fit_each_other() -> None:
    items, plan = read_release(RELEASE).items(), read_plan(COMPARE)
    assert [item.corpus for item in items] == list(plan.corpora)
    built = {config for item in items for config in item.options["methods"]}
    trained = {variant.config for variant in plan.variants.values() if variant.dataset}
    assert trained == built == {"llm", "llm-pos", "bm25", "ce"}
    assert {variant.dataset for variant in plan.variants.values() if variant.dataset} == {"runs/{corpus}/dataset"}
    assert (len(plan.seeds), len(plan.corpora)) == (3, 10)
    pinned = [*plan.models.values(), items[0].options["cross_encoder"]]
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", model) for model in pinned)
    ref = resolve(pinned[0])
    assert (ref.name, ref.hub_revision) == tuple(pinned[0].split("@"))
    with pytest.raises(InputError, match="is no commit"):
        resolve("intfloat/e5-base-v2@main")


def test_a_dry_run_counts_the_work_and_names_what_is_missing(hnhub: Run, tmp_path: Path) -> None:
    told = hnhub("compare", COMPARE, "--dry-run", "--json", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert (found["trainings"], found["evaluations"]) == (2 * 3 * 4 * 10, 2 * 10 * (2 + 4 * 3))
    assert found["documents"]["quora"] == 522_931
    assert len(found["missing"]) == 10
    assert "dataset runs/nfcorpus/dataset: bm25, ce, llm, llm-pos" in found["missing"][0]


def test_a_comparison_that_can_be_made_lacks_nothing(
    static_model: str, dataset: Path, made: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f'baseline = "base"\ncorpora = {{ made = {{ folder = "{made}" }} }}\nmodels = {{ small = "{static_model}" }}\n'
        f'[variants]\nbase = {{}}\ntuned = {{ dataset = "{dataset / "dataset"}", config = "bm25" }}\n'
    )
    found = forecast_compare(plan)
    assert (found.trainings, found.evaluations, found.missing) == (1, 2, [])
    assert found.documents == {"made": 300}
    assert found.seconds["small"]
    assert "nothing is missing" in str(found)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_same_plans_run_in_small_to_the_end(
    static_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only corpora, models, endpoint and sizes differ: the demo corpus, static vectors and MiniLM, the embedded LLM, 8 queries."""
    monkeypatch.chdir(tmp_path)
    options = tomllib.loads(RELEASE.read_text())
    small = {"endpoint": ["local"], "cross_encoder": "local", "queries": 8, "negatives": 1, "depth": 10}
    release = {**options, "corpora": ["pydocs"], "build": {**options["build"], **small}}
    hnhub.build("pydocs", methods=release["methods"], out="runs", **release["build"])
    plan = read_plan(COMPARE)
    shorter = replace(
        plan,
        corpora={"pydocs": PlannedCorpus()},
        models={"static": static_model, "minilm": small_models.minilm()},
        seeds=(0, 1),
        rows=8,
        max_length=32,
        train={**plan.train, "batch": 4, "max_length": 32},
    )
    found = hnhub.compare(shorter, out=tmp_path / "compared")
    systems = {(verdict.model, verdict.system) for verdict in found.verdicts if verdict.baseline == "bm25"}
    assert systems == {(m, v) for m in shorter.models for v in ("base", "lexical", "ce", "llm", "llm-pos")}
    assert all(verdict.conclusion.margin == plan.margin for verdict in found.verdicts)
    assert (
        "TOST" in (found.folder / "results.md").read_text()
        or "equivalence" in (found.folder / "results.md").read_text()
    )
