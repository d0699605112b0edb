"""Builders: one for every corpus of the catalog, a user's own, and from an installed wheel."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hnhub.corpus.catalog import CATALOG
from hnhub.errors import InputError, UsageError
from hnhub.pipeline.decisions import find_decision, ordered

REPOSITORY = Path(__file__).resolve().parents[2]
OWN = "from hnhub.records import Recipe\nVERSION = '2.0.0'\nRECIPE = Recipe(corpus='mine', methods=('bm25', 'llm'))\n"


@pytest.mark.parametrize("corpus", CATALOG)
def test_every_corpus_of_the_catalog_has_a_builder(corpus: str) -> None:
    decision = find_decision(corpus)
    assert decision.version != "0.0.0"
    assert decision.recipe.corpus == corpus


def test_every_builder_is_for_a_corpus_of_the_catalog() -> None:
    families = {name.rpartition("-")[0] for name in CATALOG if name.startswith("cqadupstack-")}
    names = {path.stem.replace("_", "-") for path in (REPOSITORY / "builders").glob("*.py")}
    assert names <= set(CATALOG) | families


def test_a_builder_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"{OWN}PROMPTS = {{'negative': 'own.toml'}}\n")
    decision = find_decision("mine", file)
    assert decision.version == "2.0.0"
    assert decision.recipe.methods == ("llm", "bm25")
    assert decision.prompts == {"negative": tmp_path / "own.toml"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RECIPE = 1", "holds no VERSION"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        (OWN.replace("mine", "theirs"), "its recipe is for 'theirs'"),
        (OWN.replace("'llm'", "'magic'"), "'magic' is no method"),
        (OWN.replace("'llm')", "'llm'), bm25=(('k1', 1.2),)"), "bm25 = .* is of the wrong kind; give a BM25Settings"),
        (OWN.replace("'llm')", "'llm'), judge='me'"), "judge = 'me' is none of its values"),
    ],
)
def test_a_builder_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises((InputError, UsageError), match=message):
        find_decision("mine", tmp_path / "bad.py")


def test_all_is_the_papers_three_in_published_order() -> None:
    assert ordered(["ce", "all", "bm25"]) == ("llm", "bm25", "ce")


def test_builders_are_found_in_a_wheels_layout(tmp_path: Path) -> None:
    """pyproject.toml puts builders/ into the package; here the same by hand, away from the checkout."""
    shutil.copytree(REPOSITORY / "src" / "hnhub", tmp_path / "hnhub", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "builders", tmp_path / "hnhub" / "builders")
    assert '"builders" = "hnhub/builders"' in (REPOSITORY / "pyproject.toml").read_text()
    code = "import hnhub.pipeline.decisions as r; print(r.__file__, r.find_decision('scifact').version)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    file, version = result.stdout.split()
    assert file.startswith(str(tmp_path))
    assert version != "0.0.0"
