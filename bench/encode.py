"""Encoding and exact search: hnhub against SentenceTransformer.encode, torch, numpy and (where installed) faiss.

Encoding is by MiniLM, texts of SciFact where it lies beside the repository, else synthetic. Contenders take turns; CPU time
of the whole process, one thread each. The bfloat16 rows are left out where the processor has no unit for it: torch
emulates it there (--bfloat16 runs them anyway).

    python bench/encode.py [--texts 96] [--runs 5] [--documents 50000] [--queries 1000] [--bfloat16]
"""

import argparse
import os
import statistics
from collections.abc import Callable
from importlib.util import find_spec

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np

from _common import compared, cpu_seconds, machine, spread, synthetic, table, versions
from _train_cross_encoder import SCIFACT, minilm, read_scifact
from hnhub.encode.agreement import least_cosine
from hnhub.encode.devices import body_dtype
from hnhub.encode.encoder import Encoder
from hnhub.encode.topk import top_k

K = 100


def take_turns(contenders: dict[str, Callable[[], object]], runs: int) -> dict[str, tuple[list[float], object]]:
    """CPU seconds of every run, and the last result, of each contender."""
    results: dict[str, tuple[list[float], object]] = {name: ([], None) for name in contenders}
    for _ in range(runs):
        for name, run in contenders.items():
            seconds, result = cpu_seconds(run)
            results[name] = ([*results[name][0], seconds], result)
    return results


def encoding(count: int, runs: int, *, bfloat16: bool) -> None:
    from sentence_transformers import SentenceTransformer

    if SCIFACT.exists():
        passages = list(read_scifact()[0].values())
        drawn = np.random.default_rng(0).permutation(len(passages))[:count]
        texts = [passages[at] for at in drawn]
    else:
        texts = [text for batch in synthetic(count, 90) for text in batch]
    plain = SentenceTransformer(minilm(), device="cpu")
    ours = Encoder(minilm(), device="cpu", dtype="float32")
    contenders: dict[str, Callable[[], object]] = {
        "SentenceTransformer.encode, float32": lambda: plain.encode(texts, show_progress_bar=False),
        "hnhub, float32": lambda: ours.encode_documents(texts),
    }
    if bfloat16 or body_dtype("cpu") == "bfloat16":
        lower = SentenceTransformer(minilm(), device="cpu").bfloat16()
        half = Encoder(minilm(), device="cpu", dtype="bfloat16")
        contenders["SentenceTransformer.encode, bfloat16"] = lambda: lower.encode(texts, show_progress_bar=False)
        contenders["hnhub, bfloat16 body"] = lambda: half.encode_documents(texts)
    ours.encode_documents(texts[:8])
    plain.encode(texts[:8], show_progress_bar=False)
    results = take_turns(contenders, runs)
    base, exact = results["SentenceTransformer.encode, float32"]
    goals: dict[str, tuple[float, float]] = {"hnhub, float32": (2, 3), "hnhub, bfloat16 body": (2.5, 4)}
    for name, goal in goals.items():
        if name in results:
            seconds, vectors = results[name]
            kind = "fp32" if name.endswith("float32") else "bf16 body"
            compared(f"Encoding {count} passages, MiniLM, {kind}, one thread", seconds, peer="SentenceTransformer.encode, fp32",
                     theirs=base, unit="CPU s", goal=goal)  # fmt: skip
            compared(f"Encoding, {kind}, least cosine to fp32",
                     [float(least_cosine(np.asarray(exact), np.asarray(vectors)))], unit="cosine", goal=(0.999, None), more=True)  # fmt: skip
    rows = [["encoding", "CPU s, median (range)", "texts/s/core", "ratio", "min cosine"]]
    for name, (seconds, vectors) in results.items():
        cosines = (np.asarray(vectors, np.float32) * np.asarray(exact)).sum(1) / np.linalg.norm(vectors, axis=1)
        median = statistics.median(seconds)
        rows.append([
            name, spread(seconds), f"{count / median:.1f}", f"{statistics.median(base) / median:.2f}x", f"{cosines.min():.5f}",
        ])  # fmt: skip
    print(f"{count} texts, {np.mean([len(text.split()) for text in texts]):.0f} words on average\n{table(rows)}\n")


def by_torch(queries: np.ndarray, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import torch

    scores = torch.from_numpy(queries) @ torch.from_numpy(documents).T
    best = scores.topk(K)
    return best.indices.numpy(), best.values.numpy()


def by_numpy(queries: np.ndarray, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores = queries @ documents.T
    found = np.argpartition(scores, -K)[:, -K:]
    values = np.take_along_axis(scores, found, 1)
    order = np.argsort(-values, axis=1)
    return np.take_along_axis(found, order, 1), np.take_along_axis(values, order, 1)


def by_faiss(queries: np.ndarray, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import faiss

    index = faiss.IndexFlatIP(documents.shape[1])
    index.add(documents)
    values, found = index.search(queries, K)
    return found, values


def in_blocks(
    search: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    queries: np.ndarray,
    documents: np.ndarray,
) -> np.ndarray:
    """250 queries at a time, as one would by hand to keep the score matrix small."""
    return np.concatenate([search(queries[at : at + 250], documents)[0] for at in range(0, len(queries), 250)])


def searching(documents: int, queries: int, runs: int) -> None:
    rng = np.random.default_rng(0)
    corpus, asked = (rng.normal(size=(count, 384)).astype(np.float32) for count in (documents, queries))
    corpus /= np.linalg.norm(corpus, axis=1, keepdims=True)
    contenders: dict[str, Callable[[], object]] = {
        "torch: product, topk": lambda: in_blocks(by_torch, asked, corpus),
        "numpy: product, argpartition": lambda: in_blocks(by_numpy, asked, corpus),
        "the product alone (numpy)": lambda: (
            [asked[at : at + 250] @ corpus.T for at in range(0, queries, 250)] and None
        ),
        "hnhub": lambda: top_k(asked, [corpus], K)[0],
    }
    if find_spec("faiss"):
        contenders["faiss, flat"] = lambda: in_blocks(by_faiss, asked, corpus)
    top_k(asked[:1], [corpus[:10]], K)
    results = take_turns(contenders, runs)
    base, expected = results["torch: product, topk"]
    stage = f"Exact top {K} of {documents:,} vectors for {queries:,} queries"
    compared(stage, results["hnhub"][0], peer="torch", theirs=base, unit="CPU s", goal=(1, 2.5))
    rows = [[f"exact top {K}", "CPU s, median (range)", "queries/s/core", "ratio", "recall"]]
    for name, (seconds, found) in results.items():
        median = statistics.median(seconds)
        pairs = zip(np.asarray(found), np.asarray(expected), strict=True) if found is not None else []
        shared = [len(np.intersect1d(a, b)) / K for a, b in pairs]
        rows.append([
            name, spread(seconds), f"{queries / median:.0f}", f"{statistics.median(base) / median:.2f}x",
            f"{np.mean(shared):.5f}" if shared else "-",
        ])  # fmt: skip
    print(f"{documents} x 384 documents, {queries} queries, k {K}\n{table(rows)}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=96)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--documents", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--bfloat16", action="store_true")
    given = parser.parse_args()
    print(machine())
    print(versions(["torch", "sentence-transformers", "numpy", "numba"]) + "\n")
    searching(given.documents, given.queries, given.runs)
    encoding(given.texts, given.runs, bfloat16=given.bfloat16)


if __name__ == "__main__":
    main()
