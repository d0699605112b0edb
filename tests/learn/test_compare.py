import gc
import json

import pytest
import torch

from hnhub.errors import InputError
from hnhub.learn import compare
from hnhub.learn.compare_plan import Plan, PlannedCorpus, Variant, read_plan
from hnhub.learn.report import card_rows, render_results
from hnhub.learn.runs import run_of_mapping, write_run
from hnhub.learn.train import train_stage

PLAN = """
baseline = "base"
seeds = [0, 1]
measures = ["nDCG@10"]
margin = 0.05
held_out_share = 0.0
train = {{ batch = 8, learning_rate = 0.05, epochs = 2 }}
corpora = {{ things = {{}} }}
models = {{ static = "{model}" }}

[variants]
base = {{}}
lexical = {{ run = "bm25" }}
bm25 = {{ dataset = "{dataset}", config = "bm25" }}
kl = {{ dataset = "{dataset}", config = "bm25", train = {{ loss = "kl" }} }}
"""


def test_a_comparison_trains_evaluates_concludes_and_goes_on(
    things, corpus, static_model, make_dataset, hnhub, tmp_path
):
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.format(model=static_model, dataset=make_dataset()))
    own = {"HNHUB_CORPORA": str(corpus.parent), "HNHUB_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    done = hnhub("compare", plan, "--out", tmp_path / "out", **own)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out/results.json").read_text())
    (comparison,) = results["comparisons"]
    found = comparison["parts"]["all"]
    assert {name: mean["seeds"] for name, mean in found["means"]["nDCG@10"].items()} == {
        "base": 1,
        "lexical": 1,
        "bm25": 2,
        "kl": 2,
    }
    pairs = [(c["system"], c["baseline"]) for c in found["conclusions"]["nDCG@10"]]
    assert pairs == [("lexical", "base"), ("bm25", "base"), ("kl", "base"), ("kl", "bm25")]
    assert [row["variant"] for row in results["training"]] == ["bm25", "kl"]
    assert card_rows(results) == results["training"]
    assert done.stdout.strip() == (tmp_path / "out/results.md").read_text().strip() == render_results(results).strip()
    assert (tmp_path / "out/plots/things-static-nDCG-10.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "out/models").rglob("training.json"))) == 4
    before = {p: p.stat().st_mtime_ns for p in tmp_path.joinpath("out").rglob("stage.json")}
    text = (tmp_path / "out/results.json").read_bytes()
    assert hnhub("compare", plan, "--out", tmp_path / "out", **own).returncode == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.joinpath("out").rglob("stage.json")} == before
    assert (tmp_path / "out/results.json").read_bytes() == text


def test_a_training_begins_with_nothing_of_those_before_it(things, static_model, make_dataset, tmp_path, monkeypatch):
    """Without a collection in between, which comes when objects are many: a few large ones may be held for long."""
    plan = tmp_path / "plan.toml"
    text = PLAN.format(model=static_model, dataset=make_dataset()).replace("epochs = 2", "epochs = 1")
    plan.write_text("\n".join(line for line in text.split("\n") if not line.startswith(("lexical", "kl"))))
    held = []

    def train(*given):
        held.append(modules())
        return train_stage(*given)

    monkeypatch.setattr(compare, "train_stage", train)
    gc.disable()
    try:
        compare.compare(read_plan(plan), tmp_path / "out", tmp_path / "cache", None, tests={"things": things})
        after = modules()
    finally:
        gc.enable()
    assert held == [held[0]] * 2
    assert after == held[0]


def modules():
    """How many parts of models there are, reachable or not."""
    return sum(issubclass(type(one), torch.nn.Module) for one in gc.get_objects())


def test_only_the_corpus_is_put_into_a_name(things, tmp_path):
    write_run(
        tmp_path / "{v}-things.trec",
        run_of_mapping({q: dict.fromkeys(d, 1.0) for q, d in things.qrels.items()}),
        tag="x",
    )
    given = Variant(run=str(tmp_path / "{v}-{corpus}.trec"))
    plan = Plan(corpora={"things": PlannedCorpus()}, models={"m": "m"}, variants={"base": given}, baseline="base")
    found = compare.compare(plan, tmp_path / "out", tmp_path, lambda test: None, tests={"things": things})
    assert found["comparisons"][0]["parts"]["all"]["means"]["nDCG@10"]["base"]["mean"] == 1.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('baseline = "base"', "", "lacks 'baseline'"),
        ('baseline = "base"', 'baseline = "bse"', "baseline 'bse' is no variant"),
        ("margin", "margn", "no option 'margn'; did you mean 'margin'"),
        (', config = "bm25" }}', " }}", "a dataset needs a config"),
        ("seeds = [0, 1]", "seeds = [1, 1]", "each once"),
        ("base = {{}}", "base = 1", "variants.base: is not a table"),
        ("margin = 0.05", "margin =", "can't be read as TOML"),
        ("margin = 0.05", 'margin = "small"', "margin = 'small' is of the wrong kind; give a number"),
        ("nDCG@10", "nDGC@10", "measure 'nDGC@10': measure not found"),
        ("seeds = [0, 1]", "seeds = 3", "seeds = 3 is of the wrong kind; give a list"),
        ("seeds = [0, 1]", 'seeds = ["a"]', "is of the wrong kind"),
        ("margin = 0.05", 'test = "z"', "test = 'z'"),
        ("margin = 0.05", "margin = 0", "margin 0 is not above 0"),
        ("margin = 0.05", "alpha = 1.5", "alpha 1.5 is no level"),
        ('loss = "kl"', 'loss = "lk"', "variants.kl: no loss 'lk'"),
        ('loss = "kl"', 'loss = "kl", negatives = 1', "variants.kl: negatives does nothing with loss kl"),
        ("batch = 8", "mix = 0.1", "mix does nothing with loss kl or ranking"),
        ("batch = 8", "seed = 8", "seed is one of seeds"),
        ('measures = ["nDCG@10"]', "measures = []", "no measure is named"),
        ("lexical = ", '"../lexical" = ', r"'\.\./lexical' can't name"),
    ],
)
def test_a_bad_plan_is_refused(tmp_path, old, new, message):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace(old, new, 1).format(model="m", dataset="d"))
    with pytest.raises(InputError, match=message):
        read_plan(path)


def test_what_is_set_for_all_may_be_for_some(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace("batch = 8", 'negatives = 1, masking = "known"').format(model="m", dataset="d"))
    assert read_plan(path).train["negatives"] == 1  # kl does nothing with it


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('corpora = ["scifact"]\n[models]\nm = "x"\n[variants.base]', "corpora is no table"),
        ('models = ["x"]\n[corpora.scifact]\n[variants.base]', "models = .* is of the wrong kind; give a table"),
        ('variants = ["base"]\n[corpora.scifact]\n[models]\nm = "x"', "variants is no table"),
    ],
)
def test_a_list_where_a_table_is_due_is_refused(tmp_path, text, message):
    path = tmp_path / "plan.toml"
    path.write_text(f'baseline = "base"\n{text}\n')
    with pytest.raises(InputError, match=message):
        read_plan(path)


def test_the_example_plan_is_whole():
    from pathlib import Path

    plan = read_plan(Path(__file__).parents[2] / "bench" / "compare.toml")
    assert set(plan.corpora) == {"scifact", "nfcorpus"}
    assert {"base", "bm25", "ce", "llm"} <= set(plan.variants)
    assert len(plan.seeds) == 3
