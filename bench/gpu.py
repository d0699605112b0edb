"""What hnhub makes of a GPU: encoding, cross-encoding, exact search and training against the device's own matrix rate.

One command, under eight minutes, no network: MiniLM's weights come from a package, and a model of BERT-base's shape gets random
ones, whose speed is the same. The share is of the rate that a large bfloat16 product reaches on the same device, and counts two
operations a weight of the body and token (six in training, eight with GradCache's second forward pass), none for attention.
Also: the same vectors when the device's memory runs out and batches are halved.

    python bench/gpu.py [--texts 40000] [--documents 1000000] [--device cuda:0]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import machine, synthetic, table, versions
from _train_cross_encoder import minilm
from hnhub.encode.devices import body_dtype, devices, token_budget
from hnhub.encode.encoder import Encoder
from hnhub.encode.models import ModelRef, resolve
from hnhub.encode.topk import top_k
from hnhub.learn.options import settings_for
from hnhub.learn.train import train
from hnhub.learn.training_data import TrainingData
from hnhub.score.pair_scorer import PairScorer

MATRIX = {"cuda": 8192, "cpu": 1024}


def seconds(device: str, work: Callable[[], object]) -> float:
    """Wall time of the work until the device has done it."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def matrix_rate(device: str) -> float:
    """Operations a second of a square product in the dtype that bodies run in: the best of ten."""
    import torch

    size = MATRIX[device.partition(":")[0]]
    dtype = getattr(torch, body_dtype(device))
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / min(seconds(device, lambda: a @ b) for _ in range(10))


def base_model(folder: Path, *, pairs: bool) -> str:
    """BERT-base's shape with random weights and MiniLM's tokens, as a bi-encoder or (`pairs`) a cross-encoder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, BertModel, set_seed

    set_seed(0)
    made = BertForSequenceClassification(BertConfig(num_labels=1)) if pairs else BertModel(BertConfig())
    made.save_pretrained(folder)
    AutoTokenizer.from_pretrained(minilm()).save_pretrained(folder)
    if pairs:
        return str(folder)
    model = SentenceTransformer(modules=[Transformer(str(folder), max_seq_length=512), Pooling(768)], device="cpu")
    model.save(str(folder / "model"), create_model_card=False)
    return str(folder / "model")


def body_weights(folder: str) -> int:
    """Numbers that every token is multiplied with: all but the tables that are looked up."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder)
    tables = sum(part.weight.numel() for part in model.modules() if isinstance(part, torch.nn.Embedding))
    return sum(weights.numel() for weights in model.parameters()) - tables


def tokens_of(texts: Sequence[Any], longest: int) -> int:
    """How many tokens MiniLM's tokenizer, which all models here have, makes of texts or pairs."""
    from transformers import AutoTokenizer

    answer = AutoTokenizer.from_pretrained(minilm())(texts, truncation=True, max_length=longest)
    return sum(map(len, answer["input_ids"]))


def encoding(model: str, name: str, texts: list[str], device: str) -> tuple[list[Any], float]:
    """A row of the table, and how far vectors are from those made in halved batches."""
    import torch

    encoder = Encoder(model, device=device)
    encoder.encode_documents(texts[:256])
    tokens = tokens_of(texts, 512)
    took = seconds(device, lambda: encoder.encode_documents(texts))
    apart = 0.0
    if device.startswith("cuda"):
        some = texts[:4096]
        whole = encoder.encode_documents(some)
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated(device) + 6e8) / total, device)
        apart = float(np.abs(encoder.encode_documents(some) - whole).max())
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    return [f"encode, {name}", len(texts) / took, tokens / took, 2 * body_weights(model)], apart


def scoring(model: str, texts: list[str], device: str) -> list[Any]:
    """Pairs of a short query and a passage."""
    scorer = PairScorer(resolve(model), device=device)
    pairs = [(" ".join(text.split()[:8]), text) for text in texts]
    tokens = tokens_of(pairs, 512)

    def work() -> None:
        for batch in scorer.batches(pairs, token_budget(device)):
            scorer.score([pairs[at] for at in batch.rows])

    took = seconds(device, work)
    return ["cross-encode, BERT-base", len(pairs) / took, tokens / took, 2 * body_weights(model)]


def searching(documents: int, device: str) -> list[Any]:
    """1,000 queries, k 100; a token is here a document that is compared with a query."""
    rng = np.random.default_rng(0)
    chunks = [
        rng.normal(size=(min(100_000, documents - at), 768)).astype(np.float32) for at in range(0, documents, 100_000)
    ]
    queries = rng.normal(size=(1000, 768)).astype(np.float32)
    top_k(queries[:8], chunks[:1], 100, device=device)
    took = seconds(device, lambda: top_k(queries, chunks, 100, device=device))
    return [f"exact top 100 of {documents:,}", 1000 / took, 1000 * documents / took, 2 * 768]


def training(model: str, texts: list[str], device: str, folder: Path, rows: int) -> list[Any]:
    """The default recipe: ranking over five hard negatives, batches of 64, GradCache."""
    count = min(rows, len(texts) // 6)
    columns = ["positive", *(f"negative_{n}" for n in range(1, 6))]
    frame = pl.DataFrame(
        {name: texts[at * count : (at + 1) * count] for at, name in enumerate(columns)}
    ).select(pl.col("positive").str.split(" ").list.head(8).list.join(" ").alias("query"), *columns)  # fmt: skip
    data = TrainingData("made", "1", "bm25", None, frame, frame.head(0), 0)
    settings = settings_for(model, epochs=1.0, max_length=256)
    ref: ModelRef = resolve(model)
    (folder / "out").mkdir(parents=True)
    (folder / "work").mkdir()
    took = seconds(device, lambda: train(folder / "out", folder / "work", data=data, model=ref, settings=settings))
    tokens = tokens_of([text for row in frame.rows() for text in row], 256)
    return ["train, BERT-base (loading and saving too)", count / took, tokens / took, 8 * body_weights(model)]


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=40_000)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--device", help="cpu, to try the script; the figures then say nothing of a GPU")
    given = parser.parse_args()
    device = given.device or devices()[0]
    if not given.device and not device.startswith("cuda"):
        print("no GPU is at hand: nothing was measured")
        return
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
    print(
        f"{name} ({len(devices())} device(s)); {machine()}\n{versions(['torch', 'transformers', 'sentence-transformers'])}"
    )
    rate = matrix_rate(device)
    print(f"matrix products, {body_dtype(device)}: {rate / 1e12:.1f} TFLOP/s\n")
    texts = [text for batch in synthetic(given.texts, 90) for text in batch]
    with tempfile.TemporaryDirectory() as place:
        base = base_model(Path(place, "bi"), pairs=False)
        small, apart = encoding(minilm(), "MiniLM", texts, device)
        rows = [small, encoding(base, "BERT-base", texts[: len(texts) // 2], device)[0]]
        rows.append(scoring(base_model(Path(place, "pairs"), pairs=True), texts[: len(texts) // 4], device))
        rows.append(searching(given.documents, device))
        rows.append(training(base, texts, device, Path(place, "train"), given.rows))
    shown = [
        [what, f"{items:,.0f}", f"{tokens:,.0f}", f"{tokens * each / rate:.0%}"] for what, items, tokens, each in rows
    ]
    print(table([["work", "items/s", "tokens/s", "of the matrix rate"], *shown]))
    print(f"\nhalved batches: vectors differ by at most {apart:.1e}")
    print(json.dumps({"device": name, "tflops": rate / 1e12, "rows": {row[0]: row[2] for row in rows}}))


if __name__ == "__main__":
    main()
