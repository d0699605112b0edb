"""The examples as a user has them: mypy --strict passes on them, and they run."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.py"))
SOURCE = Path(__file__).parents[2] / "src"
CACHE = Path(__file__).parents[2] / ".mypy_cache" / "examples"
# What hnhub imports takes mypy half a minute; the types of these that stand in an example are seen in the slow test.
HEAVY = [
    "torch",
    "transformers",
    "sentence_transformers",
    "ray",
    "peft",
    "numba",
    "mteb",
    "matplotlib",
    "huggingface_hub",
    "rich",
]
SKIPPED = f"\n[mypy-{','.join(f'{name}.*' for name in HEAVY)}]\nfollow_imports = skip\n"


@pytest.mark.parametrize("more", [SKIPPED, pytest.param("", marks=pytest.mark.slow)], ids=["quick", "as a user"])
def test_mypy_strict_passes(more: str, tmp_path: Path) -> None:
    settings = tmp_path / "mypy.ini"
    settings.write_text(f"[mypy]\nstrict = true\n{more}")
    # On PYTHONPATH hnhub is a package that is installed, as it is for a user: its annotations count, its own errors don't.
    command = [sys.executable, "-m", "mypy", "--config-file", settings, "--cache-dir", CACHE / (more and "quick")]
    done = subprocess.run(
        [*command, *EXAMPLES], env={**os.environ, "PYTHONPATH": str(SOURCE)},
        cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_types_are_seen(tmp_path: Path) -> None:
    """A wrong call is an error, so that the pass above means something."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import hnhub\n"
        "hnhub.evaluate('bm25', 'scifact', spilt='test')\n"
        "hnhub.evaluate('bm25', 3)\n"
        "x: int = hnhub.open_run('runs').rows\n"
        "hnhub.train('a', config='b', model='c', out='d', epochs='1')\n"
        "hnhub.nothing\n"
    )
    settings = tmp_path / "mypy.ini"
    settings.write_text(f"[mypy]\nstrict = true\n{SKIPPED}")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", settings, "--cache-dir", CACHE / "quick", wrong],
        env={**os.environ, "PYTHONPATH": str(SOURCE)}, cwd=tmp_path, capture_output=True, text=True, timeout=280,
        check=False,
    )  # fmt: skip
    lines = {line.split(":")[1] for line in done.stdout.splitlines() if ": error:" in line}
    assert lines == {"2", "3", "4", "5", "6"}, done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(
    path: Path,
    static_model: str,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = {"model_objects": [static_model, str(dataset)], "a_run": [str(dataset)]}.get(path.stem, [])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(path), *arguments])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out
