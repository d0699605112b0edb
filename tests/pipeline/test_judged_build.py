"""`hnhub build --judge`: verdicts in the rows, the ledger and the card; what `plan` says of it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from model_server import model_server
from small_corpus import write_corpus

Run = Callable[..., subprocess.CompletedProcess[str]]

OWN = """task = "judge"
max_tokens = 4
[[messages]]
role = "user"
content = "Grade 0 to 3. {{query}} | {{passage}}"
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpora") / "made", documents=80, queries=16)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with model_server() as server:
        yield server.url


def options(corpus: Path, out: Path, *more: object) -> list[object]:
    where = ["made", "--corpus-dir", corpus, "--queries-from", "qrels", "--out", out, "--depth", 20]
    return [*where, "--negatives", 2, "--on-shortfall", "keep", *more]


def test_a_language_model_judges(corpus: Path, endpoint: str, tmp_path: Path, here: Run) -> None:
    given = options(corpus, tmp_path, "--method", "bm25", "--method", "llm", "--judge", "llm", "--endpoint", endpoint)
    planned = {step["stage"]: step for step in json.loads(here("plan", *given, "--json").stdout)["steps"]}
    assert planned["judgements/bm25"]["requests"] == 2 * planned["judgements/llm"]["requests"] > 0
    built = here("build", *given, "--json")
    assert built.returncode == 0, built.stderr
    folder = tmp_path / "made"
    facts = json.loads((folder / "judgements" / "bm25" / "stage.json").read_text())
    assert (facts["judge"], facts["model"]) == ("llm", "rule-1")
    assert facts["judged"] == facts["asked"] == 4 * 12
    assert min(facts["keep"], facts["drop"], facts["promote"]) > 0
    result = json.loads(built.stdout)
    both = [json.loads((folder / "judgements" / name / "stage.json").read_text()) for name in ("bm25", "llm")]
    assert result["model"]["judge"]["requests"] == sum(one["asked"] for one in both)

    scored = pl.read_parquet(folder / "dataset" / "data" / "bm25-scored" / "*.parquet")
    assert len(scored.filter(reason="judged_relevant", verdict="drop")) == facts["drop"]
    assert len(scored.filter(reason="judged_positive", verdict="promote")) == facts["promote"]
    assert scored.filter(pl.col("position").is_not_null())["reason"].null_count() == scored["position"].count()
    ledger = pl.read_parquet(folder / "dataset" / "ledger" / "negatives-bm25.parquet")
    assert set(ledger.filter(reason="judged_relevant")["detail"]) == {"relevance 2"}
    stats = json.loads((folder / "dataset" / "stats.json").read_text())
    assert stats["recipe"]["judge"] == "llm"
    assert stats["judgements"]["bm25"]["drop"] == facts["drop"]
    card = (folder / "dataset" / "README.md").read_text()
    assert "were judged by a language model" in card
    assert f"the first {facts['shown']} candidates" in card
    assert "The prompt for task <code>judge</code>" in card
    assert here("validate", folder / "dataset").returncode == 0
    assert {step["state"] for step in json.loads(here("plan", *given, "--json").stdout)["steps"]} == {"done"}

    own = tmp_path / "own.toml"
    own.write_text(OWN)
    other = here("build", *given, "--prompt", f"judge={own}")  # the answers are sentences, so no grades
    assert other.returncode == 0, other.stderr
    facts = json.loads((folder / "judgements" / "bm25" / "stage.json").read_text())
    assert facts["judge_failed"] == facts["judged"] == 48
    scored = pl.read_parquet(folder / "dataset" / "data" / "bm25-scored" / "*.parquet")
    assert set(scored.filter(pl.col("position").is_not_null())["reason"]) == {"judge_failed"}
    assert set(scored["verdict"]) == {"keep"}
    assert "| 48 | 0 | 0 | 0 | 48 |" in (folder / "dataset" / "README.md").read_text()
    assert here("validate", folder / "dataset").returncode == 0


def test_a_language_model_judges_a_querys_candidates_at_once(
    corpus: Path, endpoint: str, tmp_path: Path, here: Run
) -> None:
    given = options(
        corpus, tmp_path, "--method", "bm25", "--judge", "listwise", "--queries", 12, "--endpoint", endpoint
    )
    planned = {step["stage"]: step for step in json.loads(here("plan", *given, "--json").stdout)["steps"]}
    built = here("build", *given, "--json")
    assert built.returncode == 0, built.stderr
    facts = json.loads((tmp_path / "made" / "judgements" / "bm25" / "stage.json").read_text())
    assert planned["judgements/bm25"]["requests"] == facts["asked"] == 12
    assert (facts["judged"], facts["judge_failed"]) == (48, 0)
    assert min(facts["keep"], facts["drop"], facts["promote"]) > 0
    card = (tmp_path / "made" / "dataset" / "README.md").read_text()
    assert "judged by a language model, all candidates of a query at once" in card
    assert here("validate", tmp_path / "made" / "dataset").returncode == 0


@pytest.mark.slow
def test_a_cross_encoder_judges(corpus: Path, tmp_path: Path, here: Run) -> None:
    given = options(corpus, tmp_path, "--method", "bm25", "--judge", "ce", "--cross-encoder", "local", "--queries", 4)
    planned = {step["stage"]: step["work"] for step in json.loads(here("plan", *given, "--json").stdout)["steps"]}
    assert planned["judgements/bm25"].endswith("pairs to score")
    built = here("build", *given)
    assert built.returncode == 0, built.stderr
    assert "asked of the model" not in built.stdout
    facts = json.loads((tmp_path / "made" / "judgements" / "bm25" / "stage.json").read_text())
    assert facts["judged"] == 16
    assert facts["model"].startswith("SmolLM2")
    assert "by a cross-encoder" in (tmp_path / "made" / "dataset" / "README.md").read_text()
    assert here("validate", tmp_path / "made" / "dataset").returncode == 0


def test_a_builders_judge(corpus: Path, tmp_path: Path, here: Run) -> None:
    builder = tmp_path / "made.py"
    builder.write_text(
        "from hnhub.records import Recipe\nVERSION = '1.0.0'\n"
        "RECIPE = Recipe(corpus='made', methods=('bm25',), judge='ce', max_percent=None)\n"
    )
    given = options(corpus, tmp_path, "--builder", builder)
    refused = here("build", *given)
    assert refused.returncode == 2
    assert refused.stderr == "hnhub: --judge ce has no limit to judge by; give --max-percent or --max-margin\n"
    assert here("build", *given, "--judge", "none").returncode == 0
    assert not (tmp_path / "made" / "judgements").exists()
