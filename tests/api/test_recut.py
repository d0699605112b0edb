"""Another selection from published scores is the one that a build would have made."""

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

import hnhub
from hnhub.errors import InputError, RuleBroken, UsageError
from hnhub.negatives.cut import threshold
from hnhub.schema import SCORED_BEFORE, SCORES, arrow_schema
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


@pytest.fixture(scope="module")
def of_two(made: Path, static_model: str, tmp_path_factory: pytest.TempPathFactory) -> hnhub.Run:
    """BM25's candidates and the bi-encoder's, each with what the other gave them."""
    return hnhub.build(
        made, name="made", methods=["bm25", "dense"], bi_encoder=static_model, queries_from="qrels",
        out=tmp_path_factory.mktemp("runs"), negatives=2, depth=20,
    )  # fmt: skip


def test_a_candidate_has_the_score_of_every_scorer_of_the_build(of_two: hnhub.Run) -> None:
    frames = {method: of_two.to_frame(f"{method}-scored") for method in ("bm25", "dense")}
    given = {
        method: {row[:2]: row[2] for row in frame.select("query_id", "document_id", "score").drop_nulls().iter_rows()}
        for method, frame in frames.items()
    }
    for frame in frames.values():
        for method in ("bm25", "dense"):
            pairs = frame.select("query_id", "document_id").rows()
            assert frame[f"{method}_score"].to_list() == [given[method].get(pair) for pair in pairs]
        assert frame["ce_score"].null_count() == len(frame)
    seen_by_both = frames["bm25"].filter(pl.col("bm25_score").is_not_null() & pl.col("dense_score").is_not_null())
    assert len(seen_by_both) > 100
    assert of_two.validate() == []


def test_another_scorer_cuts_and_draws(of_two: hnhub.Run, tmp_path: Path) -> None:
    again = hnhub.recut(of_two, out=tmp_path / "again", by="dense_score", max_percent=0.95, sampling="stratified")
    scored = again.to_frame("bm25-scored")
    positives = dict(scored.filter(label=1).select("query_id", "dense_score").iter_rows())
    chosen = scored.filter(pl.col("position").is_not_null())
    assert len(chosen) > 20
    for query_id, score in chosen.select("query_id", "dense_score").iter_rows():
        assert score <= threshold(positives[query_id], max_percent=0.95, max_margin=None)
    assert not chosen.equals(hnhub.recut(of_two, out=tmp_path / "own", max_percent=0.95, sampling="stratified").to_frame("bm25-scored"))  # fmt: skip
    assert "went by `dense_score`" in (again.folder / "README.md").read_text(encoding="utf-8")
    assert again.validate() == []
    with pytest.raises(InputError, match="bm25-scored has no ce_score"):
        hnhub.recut(of_two, out=tmp_path / "none", by="ce_score")


def test_a_dataset_of_before_there_were_several_scores_is_read(built: hnhub.Run, tmp_path: Path) -> None:
    before = tmp_path / "before"
    shutil.copytree(built.folder, before)
    for path in before.glob("data/bm25-scored/*.parquet"):
        rows = pl.read_parquet(path).drop(SCORES)
        assert rows.schema == SCORED_BEFORE
        pq.write_table(rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(arrow_schema(SCORED_BEFORE)), path)
    again = hnhub.recut(before, out=tmp_path / "again", negatives=2)
    assert again.to_frame("bm25").equals(hnhub.recut(built, out=tmp_path / "now", negatives=2).to_frame("bm25"))
    broken = {one.rule for one in hnhub.open_run(before).validate()}
    assert "columns" not in broken
    with pytest.raises(InputError, match="bm25-scored has no dense_score"):
        hnhub.recut(before, out=tmp_path / "none", by="dense_score")


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
    with pytest.raises(UsageError, match="negatives"):
        hnhub.recut(built, out=tmp_path / "two", negatives=0)
    with pytest.raises(UsageError, match="is the dataset itself"):
        hnhub.recut(built, out=built.folder, negatives=1)
    with pytest.raises(UsageError, match="holds something else"):
        hnhub.recut(built, out=tmp_path, negatives=1)
    with pytest.raises(RuleBroken, match="negatives; ask for fewer"):
        hnhub.recut(built, out=tmp_path / "two", negatives=90, on_shortfall="fail")


def test_the_command_line_does_the_same(built: hnhub.Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hnhub", "recut", str(built.folder), "--no-cut", "--negatives", "2", "--out"]
    result = subprocess.run([*command, str(tmp_path / "c")], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "hard negatives by bm25" in result.stdout
    assert hnhub.open_run(tmp_path / "c").dataset("bm25", split="train").num_columns == 4


@pytest.mark.parametrize("options", [{"negatives": 0}, {"max_percent": float("nan")}, {"max_percent": 95.0}], ids=str)
def test_numbers_that_make_no_sense_are_refused(built: hnhub.Run, tmp_path: Path, options: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(UsageError, match="makes no sense"):
        hnhub.recut(built, out=tmp_path / "x", **options)
    with pytest.raises(UsageError, match="makes no sense"):
        hnhub.build("pydocs", out=tmp_path, queries_from="qrels", methods=["bm25"], **options)
