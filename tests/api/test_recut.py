"""Another selection from published scores is the one that a build would have made."""

import subprocess
import sys
from pathlib import Path

import pytest

import hnhub
from hnhub.errors import RuleBroken, UsageError
from hnhub.negatives.cut import threshold
from small_run import make_dataset


@pytest.fixture(scope="module")
def built(made: Path, tmp_path_factory: pytest.TempPathFactory) -> hnhub.Run:
    return build(made, tmp_path_factory.mktemp("runs"))


def build(made: Path, out: Path, **options: object) -> hnhub.Run:
    given = {"negatives": 5, "depth": 40, **options}
    return hnhub.build(made, name="made", methods=["bm25"], queries_from="qrels", out=out, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"negatives": 2},
        {"sampling": "stratified", "negatives": 4},
        {"sampling": "random", "rank_min": 5, "rank_max": 20, "seed": 3},
        {"negatives": 39, "on_shortfall": "keep"},
    ],
    ids=str,
)
def test_it_is_what_a_build_with_these_options_makes(
    built: hnhub.Run, made: Path, tmp_path: Path, options: dict
) -> None:  # type: ignore[type-arg]
    again = hnhub.recut(built, out=tmp_path / "again", **options)
    direct = build(made, tmp_path / "direct", **options)
    for config in direct.configs:
        assert again.to_frame(config).equals(direct.to_frame(config)), config
    assert again.rows == direct.rows
    assert again.drops == direct.drops
    assert again.validate() == []
    assert again.manifest["recipe"] == direct.manifest["recipe"]


def test_a_cut_applies_to_any_scores_and_can_be_taken_back(built: hnhub.Run, tmp_path: Path) -> None:
    strict = hnhub.recut(built, out=tmp_path / "strict", max_percent=0.2, negatives=1)
    scored = strict.to_frame("bm25-scored")
    positives = dict(scored.filter(label=1).unique("query_id", keep="first").select("query_id", "score").iter_rows())
    chosen = scored.filter(scored["position"].is_not_null())
    assert len(chosen)
    for query_id, score in chosen.select("query_id", "score").iter_rows():
        assert score <= threshold(positives[query_id], max_percent=0.2, max_margin=None)
    assert any(row[2] in ("above_cut", "above_positive") for row in strict.drops)
    assert strict.validate() == []
    back = hnhub.recut(strict, out=tmp_path / "back", max_percent=None, negatives=5)
    assert back.to_frame("bm25").equals(built.to_frame("bm25"))
    assert back.drops == built.drops


def test_a_query_that_nothing_was_scored_for_stays_accounted_for(tmp_path: Path) -> None:
    make_dataset(tmp_path / "tiny")
    again = hnhub.recut(tmp_path / "tiny", out=tmp_path / "one", negatives=1)
    assert "q5" not in again.to_frame("llm-scored")["query_id"].to_list()
    assert again.ledger.filter(method="llm", query_id="q5")["reason"].to_list() == ["shortfall"]
    assert again.validate() == []


def test_the_same_call_finds_it_made_and_wrong_ones_are_refused(built: hnhub.Run, tmp_path: Path) -> None:
    first = hnhub.recut(built, out=tmp_path / "one", negatives=1)
    stamp = (tmp_path / "one" / "manifest.json").stat().st_mtime_ns
    assert hnhub.recut(built, out=tmp_path / "one", negatives=1).fingerprint == first.fingerprint
    assert (tmp_path / "one" / "manifest.json").stat().st_mtime_ns == stamp
    with pytest.raises(UsageError, match="nothing to decide anew"):
        hnhub.recut(built, out=tmp_path / "two")
    with pytest.raises(UsageError, match="did you mean 'sampling'"):
        hnhub.recut(built, out=tmp_path / "two", samplng="top")  # type: ignore[call-arg]
    with pytest.raises(RuleBroken, match="negatives; ask for fewer"):
        hnhub.recut(built, out=tmp_path / "two", negatives=90, on_shortfall="fail")


def test_the_command_line_does_the_same(built: hnhub.Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hnhub", "recut", str(built.folder), "--no-cut", "--negatives", "2", "--out"]
    result = subprocess.run([*command, str(tmp_path / "c")], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "hard negatives by bm25" in result.stdout
    assert hnhub.open_run(tmp_path / "c").dataset("bm25", split="train").num_columns == 4
