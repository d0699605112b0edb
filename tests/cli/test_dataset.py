import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from hnhub.cli.dataset import card, show, validate
from hnhub.cli.side_by_side import WIDTH, Query, plain, print_queries
from hnhub.errors import InputError, RuleBroken
from hnhub.rows.validate import RULES
from small_run import make_dataset


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("run"))


@pytest.fixture
def dataset(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "dataset"))


def test_validate_says_that_a_sound_dataset_is(dataset: Path) -> None:
    result = CliRunner().invoke(validate, [str(dataset)])
    assert (result.exit_code, result.stdout) == (0, f"{len(RULES)} rules, 0 violations\n")


def test_validate_prints_every_violation_and_exits_with_1(dataset: Path) -> None:
    (dataset / "notes.txt").write_text("mine")
    (dataset / "croissant.json").unlink()
    result = CliRunner().invoke(validate, [str(dataset)])
    assert result.exit_code == 1
    assert "listed: notes.txt: is not in the manifest" in result.stdout
    assert "listed: croissant.json: is in the manifest but not there" in result.stdout
    found = json.loads(CliRunner().invoke(validate, [str(dataset), "--json"]).stdout)
    assert {"rule": "listed", "path": "notes.txt", "row": None, "message": "is not in the manifest"} in found[
        "violations"
    ]
    assert [rule["id"] for rule in found["rules"]] == [rule.id for rule in RULES]


def test_show_puts_methods_side_by_side(dataset: Path) -> None:
    lines = CliRunner().invoke(show, [str(dataset), "--rows", "2"]).stdout.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert sum(line.startswith("== q") for line in lines) == 2
    (head, *_) = [line for line in lines if "-- llm" in line]
    assert "-- bm25" in head
    assert any("1: generated" in line and "1: d0-1, rank 3, score 7.25" in line for line in lines)


def test_show_cuts_no_rank_and_no_score_off() -> None:
    negatives = [("1: customization-12, rank 1, score 5.389", "A text."), ("2: raise-1, rank 2, score 5.9", "Another.")]
    query = Query("q", "which one", "d", "This one.", dict.fromkeys(("bm25", "dense", "ce"), negatives))
    lines = plain([query]).splitlines()
    assert [line for line in lines if "rank" in line or "score" in line] == [
        "  ".join(f"{head:<32}" for _ in range(3)).rstrip()
        for head in ("1: customization-12, rank 1,", "score 5.389", "2: raise-1, rank 2, score 5.9")
    ]
    console = Console(file=io.StringIO(), width=80)
    print_queries(console, [query])
    shown = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert f"{'score 5.389':<41}score 5.389" in shown


def test_show_one_method(dataset: Path) -> None:
    shown = CliRunner().invoke(show, [str(dataset), "--method", "bm25", "--rows", "1"]).stdout
    assert "bm25" in shown
    assert "llm" not in shown
    with pytest.raises(InputError, match="its methods are llm, bm25"):
        CliRunner().invoke(show, [str(dataset), "--method", "ce"], catch_exceptions=False)


def test_show_without_published_texts(tmp_path: Path) -> None:
    shown = CliRunner().invoke(show, [str(make_dataset(tmp_path, publish_text=False))]).stdout
    assert "(the text is not published)" in shown


def test_card_check_finds_what_differs_and_card_mends_it(dataset: Path) -> None:
    run = CliRunner().invoke
    assert run(card, [str(dataset), "--check"]).exit_code == 0
    (dataset / "README.md").write_text("Mine.")
    with pytest.raises(RuleBroken, match=r"README\.md: is not what .*stats\.json gives"):
        run(card, [str(dataset), "--check"], catch_exceptions=False)
    assert run(card, [str(dataset)]).exit_code == 0
    assert run(validate, [str(dataset)]).exit_code == 0


def test_repository_and_results_go_into_card_facts_and_manifest(dataset: Path, tmp_path: Path) -> None:
    keys = ("model", "variant", "corpus", "metric", "value", "against", "difference", "low", "high", "verdict")
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"training": [dict.fromkeys(keys, "measured")]}))
    result = CliRunner().invoke(card, [str(dataset), "--repo", "me/tiny", "--results", str(results)])
    assert result.exit_code == 0
    text = (dataset / "README.md").read_text()
    assert 'address = "me/tiny"' in text
    assert "None were measured" not in text
    assert CliRunner().invoke(validate, [str(dataset)]).exit_code == 0


def test_saved_cards_are_rendered_and_checked_by_the_name_of_the_corpus(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    assert run(card, [str(dataset), "--save"]).exit_code == 0
    saved = tmp_path / "dataset_cards"
    assert (saved / "tiny.md").read_bytes() == (dataset / "README.md").read_bytes()
    assert (saved / "tiny.json").read_bytes() == (dataset / "stats.json").read_bytes()
    assert run(card, ["tiny", "--check"]).exit_code == 0
    (saved / "tiny.md").write_text("Mine.")
    with pytest.raises(RuleBroken, match="run hnhub card tiny"):
        run(card, ["tiny", "--check"], catch_exceptions=False)
    assert run(card, ["tiny"]).exit_code == 0
    assert run(card, ["tiny", "--check"]).exit_code == 0
    with pytest.raises(InputError, match=r"dataset_cards/nothing\.json"):
        run(card, ["nothing"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("audit {0}", 0, "bm25, 11 rows"),
        ("card {0} --check", 0, ""),
        ("diff {0} {0}", 0, ""),
        ("release {0}/none.toml", 2, "none.toml"),
    ],
)
def test_commands_on_a_folder_start_as_a_user_starts_them(
    hnhub: Callable[..., subprocess.CompletedProcess[str]], built: Path, command: str, code: int, says: str
) -> None:
    done = hnhub(*(word.format(built) for word in command.split()))
    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
