"""Real weights out of packages, and small corpora."""

import random
from pathlib import Path

import polars as pl
import pytest

import small_models
from hnhub import schema


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """OpenMP's threads spin while they wait: on a busy machine two are many times slower than one."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def minilm():
    return small_models.minilm()


@pytest.fixture(scope="session")
def static_model(tmp_path_factory):
    return small_models.word_vectors(tmp_path_factory.mktemp("wordllama"))


def some_texts(count: int, seed: int = 0) -> list[str]:
    words = [
        "protein",
        "cell",
        "mouse",
        "of",
        "the",
        "in",
        "tumour",
        "growth",
        "gene",
        "expression",
        "patients",
        "vaccine",
        "trial",
        "and",
        "risk",
        "Größe",
        "东京",
    ]
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=draw.randint(1, 60))) for _ in range(count)]


@pytest.fixture
def texts():
    return some_texts


@pytest.fixture
def documents(tmp_path: Path):
    """documents.parquet of 300 short texts."""
    path = tmp_path / "documents.parquet"
    texts = some_texts(300)
    frame = pl.DataFrame(
        {"document_id": [f"d{i}" for i in range(300)], "title": ["On this"] * 300, "text": texts},
        schema=schema.DOCUMENTS,
    )
    frame.write_parquet(path)
    return path
