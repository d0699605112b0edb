"""Models, a run and a home of its own for the library's functions."""

from pathlib import Path

import pytest

import small_models
from small_corpus import write_corpus
from small_run import make_dataset


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """On a busy machine two threads that wait for each other are many times slower than one."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(home))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small_models.word_vectors(tmp_path_factory.mktemp("models") / "wordllama", 32)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in BEIR layout: 300 documents, 45 train and 15 test queries."""
    return write_corpus(tmp_path_factory.mktemp("corpora") / "made")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that holds a finished dataset."""
    return make_dataset(tmp_path_factory.mktemp("run")).parent
