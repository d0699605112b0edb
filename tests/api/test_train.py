"""Training and comparing by the library's functions: objects stay as they are, options are those of the settings."""

from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer

import hnhub
from hnhub.api.train import TrainOptions
from hnhub.errors import InputError, UsageError
from hnhub.learn.compare_plan import Plan, PlannedCorpus, Variant
from hnhub.learn.options import TrainSettings


def test_every_setting_is_an_option() -> None:
    assert set(TrainOptions.__annotations__) == set(TrainSettings.__dataclass_fields__)


def test_a_copy_of_an_object_is_trained(dataset: Path, static_model: str, made: Path, tmp_path: Path) -> None:
    model = SentenceTransformer(static_model, device="cpu")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    options = {"config": "bm25", "out": tmp_path / "model", "tests": [made], "batch": 4, "learning_rate": 0.1}
    trained = hnhub.train(hnhub.open_run(dataset), model=model, **options)  # type: ignore[arg-type]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    found = trained.model().state_dict()
    assert any(not torch.equal(value, before[key]) for key, value in found.items())
    assert trained.facts["trained_rows"] + trained.facts["held_out_rows"] == 11
    assert trained.facts["leaks"][0]["corpus"] == "made"
    assert repr(trained).startswith(f"{tmp_path / 'model'}: SentenceTransformer trained on ")
    assert "nDCG@10" in trained._repr_html_()
    stamp = (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns
    again = hnhub.train(dataset, model=SentenceTransformer(static_model, device="cpu"), **options)  # type: ignore[arg-type]
    assert (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns == stamp
    assert again.facts["history"] == trained.facts["history"]


def test_what_was_mined_is_trained_on_and_the_missing_test_is_told(
    static_model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = [(f"what boils {n} litres", f"Kettle {n} boils {n} litres of water.") for n in range(20)]
    mined = hnhub.mine(pairs, negatives=2, out=tmp_path / "runs")
    trained = hnhub.train(mined, config="bm25", model=static_model, out=tmp_path / "model", batch=4, epochs=1)
    assert trained.facts["leaks"] == []
    assert [one.getMessage() for one in caplog.records if "no test queries were looked for" in one.getMessage()]
    assert "leak check" not in (trained.folder / "README.md").read_text()


def test_a_wrong_option_or_test_set_is_refused(dataset: Path, static_model: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no training setting 'epoch'"):
        hnhub.train(dataset, config="bm25", model=static_model, out=tmp_path / "m", epoch=2)  # type: ignore[call-arg]
    with pytest.raises(
        InputError, match="nowhere"
    ):  # a test that is named must be there; the data's own may be unknown
        hnhub.train(dataset, config="bm25", model=static_model, out=tmp_path / "m", tests=["nowhere"])


def test_a_folder_of_something_else_is_neither_taken_for_a_model_nor_lost(
    dataset: Path, static_model: str, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something else"):
        hnhub.train(dataset, config="bm25", model=static_model, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"learning_rate": 0.0}, "must be above 0"),
        ({"epochs": float("nan")}, "must be above 0"),
        ({"teacher_temperature": -1.0}, "must be above 0"),
        ({"warmup": 1.5}, "no share of the steps"),
        ({"negatives": -1}, "negatives -1 makes no sense"),
        ({"candidates": 0}, "candidates 0 makes no sense"),
        ({"seed": -1}, "seed -1 makes no sense"),
        ({"seed": 2**32}, "makes no sense"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        TrainSettings(temperature=0.05, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ignored", "words"),
    [
        ({"loss": "kl", "negatives": 2}, "negatives does nothing with loss kl; leave out negatives"),
        ({"loss": "lsepair", "candidates": 8}, "candidates does nothing with loss lsepair"),
        ({"teacher": "ce_score"}, "teacher does nothing with loss ranking"),
        ({"teacher_temperature": 2.0}, "or train with loss mix or kl or margin-mse"),
        ({"loss": "kl", "mix": 0.2}, "mix does nothing with loss kl"),
        ({"loss": "kl", "masking": "none"}, "masking does nothing with loss kl"),
        ({"kind": "cross-encoder", "masking": "known"}, "masking does nothing with a cross-encoder"),
        ({"kind": "cross-encoder", "query_prefix": "q: "}, "leave out query_prefix, or train a bi-encoder"),
    ],
)
def test_what_the_loss_does_nothing_with_is_refused(ignored: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        hnhub.train("./nowhere", config="bm25", model="m", out=tmp_path / "m", **ignored)


def test_a_plan_in_python_is_compared(
    made: Path, static_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HNHUB_CORPORA", str(made.parent))
    plan = Plan(
        corpora={"made": PlannedCorpus()},
        models={"static": static_model},
        variants={"base": Variant(), "lexical": Variant(run="bm25")},
        baseline="base",
        measures=("nDCG@10",),
    )
    with pytest.raises(UsageError, match="give out="):
        hnhub.compare(plan)
    found = hnhub.compare(plan, out=tmp_path / "out")
    (only,) = found.verdicts
    assert (only.corpus, only.model, only.system, only.baseline) == ("made", "static", "lexical", "base")
    means = dict(found.to_frame().select("variant", "mean").iter_rows())
    assert only.difference == pytest.approx(means["lexical"] - means["base"])
    assert str(only) in (tmp_path / "out" / "results.md").read_text()
    assert repr(found) == (tmp_path / "out" / "results.md").read_text()
    assert only.verdict in found._repr_html_()
