"""What every room's tests share: where real BEIR data may lie, and the command line, as a subprocess and in this process."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from click.testing import CliRunner

pytest_plugins = ["hub_fixtures"]

# A busy machine is no failure of a property.
hypothesis.settings.register_profile("hnhub", deadline=None)
hypothesis.settings.load_profile("hnhub")

REPOSITORY = Path(__file__).resolve().parents[1]
BEIR = REPOSITORY.parent / "shared" / "data" / "beir"


@pytest.fixture(scope="session")
def beir() -> Path:
    """A folder of real corpora in BEIR layout: scifact, nfcorpus and cranfield. Without one the test is skipped."""
    folder = Path(os.environ.get("HNHUB_CORPORA") or BEIR)
    for name in ("scifact", "nfcorpus", "cranfield"):
        if not (folder / name / "corpus.jsonl").is_file():
            pytest.skip(
                f"no {folder / name}: get it in BEIR layout (docs/corpora.md) and name the folder by HNHUB_CORPORA"
            )
    return folder


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One HNHUB_HOME for the whole run, so that journals and indexes are shared as they are in use, and the user's own is left alone."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HNHUB_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def hnhub(home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `hnhub ARG ...` as a user would, and return what it printed and its exit code."""

    def run(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hnhub", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "HNHUB_HOME": str(home), "HF_HUB_OFFLINE": "1", **environment},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def here(home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same in this process, where everything is imported already, for tests of what a command does and not of how it starts."""
    from hnhub.cli import main

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        isolated = CliRunner(env={"HNHUB_HOME": str(home), "HF_HUB_OFFLINE": "1", **environment}).isolation()
        command = ["hnhub", *map(str, arguments)]
        with pytest.MonkeyPatch.context() as patch, isolated as (output, errors, _):
            patch.setattr(sys, "argv", command)
            patch.setattr(logging.root, "handlers", [])  # as at a start: the command sets its own up
            patch.setattr(logging.getLogger("huggingface_hub"), "propagate", True)
            with pytest.raises(SystemExit) as ended:
                main()
            code = ended.value.code
            return subprocess.CompletedProcess(
                command, int(code or 0), output.getvalue().decode(), errors.getvalue().decode()
            )

    return run
