"""Where torch is not installed, what needs it says so at once, in one line, before a corpus or the Hub is asked for."""

import sys
from pathlib import Path

import pytest

import hnhub
from hnhub.encode.models import resolve
from hnhub.errors import MissingExtra

NEVER = "nobody/has-this"
"""Would be looked for on the Hub, which would be another error."""


@pytest.fixture(autouse=True)
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.mark.parametrize("method", ["dense", "ce", "hybrid"])
def test_a_build_is_refused_before_its_corpus_is_looked_for(method: str, tmp_path: Path) -> None:
    with pytest.raises(MissingExtra, match=r"^torch is not installed; pip install 'hnhub\[models\]'$"):
        hnhub.build(NEVER, methods=[method], queries_from="qrels", out=tmp_path / "runs")
    assert not any(tmp_path.iterdir())


def test_a_judge_that_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingExtra, match="torch"):
        hnhub.build(NEVER, methods=["bm25"], judge="ce", max_percent=0.95, queries_from="qrels", out=tmp_path)


def test_training_evaluation_and_comparison_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingExtra, match="torch"):
        hnhub.train(NEVER, config="bm25", model=NEVER, out=tmp_path / "tuned")
    with pytest.raises(MissingExtra, match="torch"):
        hnhub.evaluate(NEVER, NEVER)
    with pytest.raises(MissingExtra, match="torch"):
        hnhub.evaluate("bm25", NEVER, rerank=NEVER)
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f'baseline = "base"\n[corpora."{NEVER}"]\n[models]\nsmall = "{NEVER}"\n[variants.base]\n', encoding="utf-8"
    )
    with pytest.raises(MissingExtra, match="torch"):
        hnhub.compare(plan, out=tmp_path / "compared")


@pytest.mark.parametrize("model", [NEVER, "."])
def test_a_model_is_not_looked_for(model: str) -> None:
    with pytest.raises(MissingExtra, match="torch"):
        resolve(model)


def test_an_audit_by_a_bi_encoder_is_refused_and_so_is_one_without_scikit_learn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(MissingExtra, match="torch"):
        hnhub.audit(NEVER, encoder=NEVER)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtra, match=r"^scikit-learn is not installed; pip install 'hnhub\[models\]'$"):
        hnhub.audit(NEVER)
