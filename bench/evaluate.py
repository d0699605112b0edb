"""Metrics from string ids: hnhub against pytrec_eval and ranx, interleaved in one run, CPU time, medians.

    python bench/evaluate.py [--queries 10000] [--depth 1000] [--rounds 5]

Each library is given what it takes from string ids: pytrec_eval and hnhub a dictionary of dictionaries, ranx its own Run
made from one (its conversion is counted, its compilation is not), hnhub also a `Run` of arrays as its own search returns
it. Encoding is measured in bench/encode.py.
"""

import argparse
import gc
import importlib.util
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np

from _common import compared, machine, spread, table, versions
from hnhub.learn.metrics import score
from hnhub.learn.runs import run_of_mapping

MEASURES = ("nDCG@10", "P@10", "Recall@100", "MAP@100")
TREC_EVAL = {"nDCG@10": "ndcg_cut_10", "P@10": "P_10", "Recall@100": "recall_100", "MAP@100": "map_cut_100"}
RANX = {"nDCG@10": "ndcg@10", "P@10": "precision@10", "Recall@100": "recall@100", "MAP@100": "map@100"}


def make(
    queries: int, depth: int, judged: int, seed: int
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Judgements and a run over 100,000 documents; half of the judged documents are retrieved, scores rarely tie."""
    draw = np.random.default_rng(seed)
    ids = [f"doc{i}" for i in range(100_000)]
    qrels, run = {}, {}
    for q in range(queries):
        found = draw.choice(len(ids), depth, replace=False)
        run[f"q{q}"] = dict(zip([ids[i] for i in found], draw.random(depth).tolist(), strict=True))
        chosen = [*found[: judged // 2], *draw.choice(len(ids), judged - judged // 2)]
        qrels[f"q{q}"] = {ids[i]: int(grade) for i, grade in zip(chosen, draw.integers(0, 3, judged), strict=True)}
    return qrels, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--depth", type=int, default=1000)
    parser.add_argument("--judged", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    qrels, run = make(options.queries, options.depth, options.judged, seed=0)
    arrays = run_of_mapping(run)
    sides: dict[str, Callable[[], Mapping[str, float]]] = {
        "hnhub, dictionaries": lambda: score(qrels, run, MEASURES).means(),
        "hnhub, arrays": lambda: score(qrels, arrays, MEASURES).means(),
        "pytrec_eval": lambda: by_trec_eval(qrels, run),
    }
    if importlib.util.find_spec("ranx"):
        tiny = {q: qrels[q] for q in list(qrels)[:5]}
        by_ranx(tiny, {q: run[q] for q in tiny})  # compile
        sides["ranx"] = lambda: by_ranx(qrels, run)
    gc.collect()
    gc.freeze()  # millions of strings that no side should have to look through
    times: dict[str, list[float]] = {name: [] for name in sides}
    answers: dict[str, Mapping[str, float]] = {}
    for _ in range(options.rounds):
        for name, compute in sides.items():
            seconds, answers[name] = timed(compute)
            times[name].append(seconds)
    show(options, times, answers)


def timed(compute: Callable[[], Mapping[str, float]]) -> tuple[float, Mapping[str, float]]:
    before = time.process_time()
    answer = compute()
    return time.process_time() - before, answer


def by_trec_eval(qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]) -> dict[str, float]:
    import pytrec_eval

    names = {"ndcg_cut.10", "P.10", "recall.100", "map_cut.100"}
    found = pytrec_eval.RelevanceEvaluator(qrels, names).evaluate(run)
    return {ours: float(np.mean([values[theirs] for values in found.values()])) for ours, theirs in TREC_EVAL.items()}


def by_ranx(qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]) -> dict[str, float]:
    import ranx

    found = ranx.evaluate(
        ranx.Qrels.from_dict(qrels), ranx.Run.from_dict(run), list(RANX.values()), make_comparable=True
    )
    return {ours: float(found[theirs]) for ours, theirs in RANX.items()}


def show(
    options: argparse.Namespace, times: Mapping[str, list[float]], answers: Mapping[str, Mapping[str, float]]
) -> None:
    peers = ["numpy", "pytrec-eval-terrier", *(["ranx"] if "ranx" in times else [])]
    print(
        f"{options.queries:,} queries x {options.depth:,} documents, {options.judged} judged a query, {options.rounds} rounds"
    )
    print(f"{machine()}; {versions(peers)}\n")
    rows = [("", "CPU seconds", "pytrec_eval / it", "largest difference to pytrec_eval")]
    theirs = statistics.median(times["pytrec_eval"])
    for name in ("hnhub, dictionaries", "hnhub, arrays"):
        compared(f"Measures of {options.queries:,} queries x {options.depth:,} documents, {name.partition(', ')[2]}",
                 times[name], peer="pytrec_eval", theirs=times["pytrec_eval"], unit="CPU s", goal=(5, 20))  # fmt: skip
    for name, seconds in times.items():
        apart = max(abs(answers[name][m] - answers["pytrec_eval"][m]) for m in MEASURES)
        rows.append((name, spread(seconds), f"{theirs / statistics.median(seconds):.1f}x", f"{apart:.0e}"))
    print(table(rows))


if __name__ == "__main__":
    main()
