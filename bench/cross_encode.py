"""Cross-encoder scoring: hnhub against CrossEncoder.predict, on a small real model and real pairs.

The model is MiniLM trained on SciFact's train split (no package holds a good cross-encoder), kept in HNHUB_HOME; its quality is
printed beside BM25's. Pairs are SciFact test claims with BM25's best passages, so it needs SciFact beside the repository.
Contenders take turns; CPU time of the process, one thread. bfloat16 is run once where the processor has no unit for it.

    python bench/cross_encode.py [--pairs 120] [--runs 5] [--agreement-claims 40] [--quality-queries 60] [--no-bfloat16]
"""

import argparse
import os
import statistics
from collections.abc import Callable, Sequence
from importlib.util import find_spec

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np

from _common import compared, cpu_seconds, machine, spread, table, versions
from _train_cross_encoder import PASSAGE_LENGTH, SCIFACT, judged, rankings, read_scifact, trained
from hnhub.encode.agreement import kendall_tau
from hnhub.encode.devices import body_dtype, token_budget
from hnhub.encode.models import resolve
from hnhub.negatives.cut import cut
from hnhub.score.pair_scorer import PairScorer

DEPTH = 20
Pair = tuple[str, str]


def score_all(scorer: PairScorer, pairs: Sequence[Pair]) -> np.ndarray:
    scores = np.empty(len(pairs))
    for batch, _ in scorer.batches(pairs, token_budget("cpu")):
        scores[batch] = scorer.score([pairs[at] for at in batch])
    return scores


def ndcg(ranking: Sequence[str], relevant: Sequence[str]) -> float:
    gains = [1 / np.log2(place + 2) for place, name in enumerate(ranking[:10]) if name in relevant]
    return float(sum(gains) / sum(1 / np.log2(place + 2) for place in range(min(10, len(relevant)))))


def quality(scorer: PairScorer, count: int) -> None:
    passages, claims = read_scifact()
    relevant = judged("test")
    drawn = [list(relevant)[at] for at in np.random.default_rng(0).permutation(len(relevant))[:count]]
    found = rankings(passages, [claims[name] for name in drawn], DEPTH)
    pairs = [
        (claims[name], passages[at][:PASSAGE_LENGTH])
        for name, ranking in zip(drawn, found, strict=True)
        for at in ranking
    ]
    scores = iter(score_all(scorer, pairs))
    by_model = [sorted(ranking, key=lambda _: -next(scores)) for ranking in found]
    chance = np.random.default_rng(1)
    orders = {
        "BM25's own order": found,
        "the cross-encoder": by_model,
        "random": [chance.permutation(r) for r in found],
    }
    rows = [["BM25's top 20, ordered by", "nDCG@10"]]
    for name, order in orders.items():
        rows.append([name, f"{np.mean([ndcg(list(r), relevant[q]) for q, r in zip(drawn, order, strict=True)]):.3f}"])
    print(f"quality on {count} of SciFact's test claims\n{table(rows)}\n")


def agreement(folder: str, kinds: Sequence[str], count: int) -> None:
    """Of claims with their first relevant passage and BM25's best: what the lower precision changes in order and cut."""
    passages, claims = read_scifact()
    relevant = judged("test")
    names = list(relevant)[:count]
    found = rankings(passages, [claims[name] for name in names], DEPTH)
    pairs = [
        (claims[name], passages[at][:PASSAGE_LENGTH])
        for name, ranking in zip(names, found, strict=True)
        for at in (relevant[name][0], *ranking)
    ]
    exact = score_all(PairScorer(resolve(folder), device="cpu", dtype="float32"), pairs)
    for kind in kinds:
        scores = score_all(PairScorer(resolve(folder), device="cpu", dtype=kind), pairs)  # type: ignore[arg-type]
        taus, same = [], []
        for first in range(0, len(pairs), DEPTH + 1):
            one, two = (each[first : first + DEPTH + 1].tolist() for each in (exact, scores))
            taus.append(kendall_tau(one[1:], two[1:]))
            verdicts = (cut(each[0], each[1:], max_percent=0.95, max_margin=None) for each in (one, two))
            same += [a == b for a, b in zip(*verdicts, strict=True)]
        label = {"bfloat16": "bf16"}.get(kind, kind)
        compared(f"Scoring, {label}, Kendall's tau to fp32, {count} claims x {DEPTH}", [float(np.mean(taus))], unit="tau",
                 goal=(0.98, None), more=True)  # fmt: skip
        compared(f"Scoring, {label}, cut decides as by fp32", [float(np.mean(same))], unit="share", goal=(0.99, None),
                 more=True)  # fmt: skip
        print(f"{label}: Kendall's tau {np.mean(taus):.4f}, cut the same {np.mean(same):.2%} of {len(same)}")


def speed(folder: str, count: int, runs: int, *, bfloat16: bool) -> list[str]:
    """In turns; which lower precisions this processor has units for."""
    import torch
    from sentence_transformers import CrossEncoder

    passages, claims = read_scifact()
    names = list(judged("test"))[: -(-count // DEPTH)]
    found = rankings(passages, [claims[name] for name in names], DEPTH)
    pairs = [(claims[name], passages[at]) for name, r in zip(names, found, strict=True) for at in r][:count]
    # Cut at various lengths: abstracts as they are would all be as long as the model's limit.
    lengths = np.random.default_rng(0).integers(80, PASSAGE_LENGTH, len(pairs))
    pairs = [(query, text[:length]) for (query, text), length in zip(pairs, lengths, strict=True)]
    raw = torch.nn.Identity()
    plain = CrossEncoder(folder, device="cpu", activation_fn=raw)
    ours = PairScorer(resolve(folder), device="cpu", dtype="float32")
    contenders: dict[str, Callable[[], object]] = {
        "CrossEncoder.predict, float32": lambda: plain.predict(pairs, show_progress_bar=False),
        "hnhub, float32": lambda: score_all(ours, pairs),
    }
    if bfloat16:
        lower = CrossEncoder(folder, device="cpu", activation_fn=raw, model_kwargs={"dtype": torch.bfloat16})
        half = PairScorer(resolve(folder), device="cpu", dtype="bfloat16")
        contenders["CrossEncoder.predict, bfloat16"] = lambda: lower.predict(pairs, show_progress_bar=False)
        contenders["hnhub, bfloat16"] = lambda: score_all(half, pairs)
    units = torch.cpu.get_capabilities()
    if find_spec("openvino") and (units.get("avx512_vnni") or units.get("avx_vnni")):
        narrow = PairScorer(resolve(folder), device="cpu", dtype="int8")
        contenders["hnhub, int8"] = lambda: score_all(narrow, pairs)
    emulated = body_dtype("cpu") == "float32"
    plain.predict(pairs[:4], show_progress_bar=False)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    scores: dict[str, np.ndarray] = {}
    for run in range(runs):
        for name, score in contenders.items():
            if run and emulated and "bfloat16" in name:
                continue
            seconds, result = cpu_seconds(score)
            times[name].append(seconds)
            scores[name] = np.asarray(result, np.float64)
    base = statistics.median(times["CrossEncoder.predict, float32"])
    exact = scores["CrossEncoder.predict, float32"]
    theirs = times["CrossEncoder.predict, float32"]
    goals: dict[str, tuple[float, float]] = {
        "hnhub, float32": (2, 3),
        "hnhub, int8": (2, 3),
        "hnhub, bfloat16": (3.5, 5),
    }
    for name, goal in goals.items():
        if name in times and not (emulated and "bfloat16" in name):
            kind = {"float32": "fp32", "bfloat16": "bf16"}.get(name.removeprefix("hnhub, "), "int8")
            compared(f"Scoring {len(pairs)} pairs, MiniLM, {kind}, one thread", times[name], peer="CrossEncoder.predict, fp32",
                     theirs=theirs, unit="CPU s", goal=goal)  # fmt: skip
    rows = [["scoring", "CPU s, median (range)", "pairs/s/core", "ratio", "correlation"]]
    for name, seconds in times.items():
        median = statistics.median(seconds)
        rows.append([
            name, spread(seconds), f"{len(pairs) / median:.1f}", f"{base / median:.2f}x",
            f"{np.corrcoef(exact, scores[name])[0, 1]:.5f}",
        ])  # fmt: skip
    print(f"{len(pairs)} pairs\n{table(rows)}\n")
    return [
        kind for kind in ("int8", "bfloat16") if f"hnhub, {kind}" in times and not (emulated and kind == "bfloat16")
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--agreement-claims", type=int, default=40)
    parser.add_argument("--quality-queries", type=int, default=60)
    parser.add_argument("--no-bfloat16", action="store_true")
    given = parser.parse_args()
    print(machine())
    print(versions(["torch", "sentence-transformers", "transformers"]) + "\n")
    if not SCIFACT.exists():
        print("SciFact does not lie beside the repository (../shared/data/beir/scifact): nothing to score")
        return
    folder = str(trained())
    kinds = speed(folder, given.pairs, given.runs, bfloat16=not given.no_bfloat16)
    agreement(folder, kinds, given.agreement_claims)
    if given.quality_queries:
        quality(PairScorer(resolve(folder), device="cpu", dtype="float32"), given.quality_queries)


if __name__ == "__main__":
    main()
