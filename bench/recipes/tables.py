"""docs/recipes.md's tables, from what the lab measured."""

import json
from pathlib import Path

import numpy as np
import polars as pl
from arms import ARMS

from _common import table
from hnhub.learn.statistics import Conclusion, conclude, sentence

__all__ = ["write_page"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recipes.md"
MEASURE, MARGIN = "nDCG@10", 0.01
MODELS = {"static": "WordLlama's static embeddings (256 numbers)", "minilm": "all-MiniLM-L6-v2, texts cut at 64 tokens"}
CORPORA = {"cranfield": "Cranfield", "nfcorpus": "NFCorpus", "scifact": "SciFact"}
DEFAULTS = ("default", "default-merge")
_MARKS = {"better": "**better**", "worse": "**worse**", "equivalent": "equivalent", "undecided": ""}


def write_page(out: Path) -> None:
    """Write the tables between the page's markers, and all figures to results.json in `out`."""
    parts: list[str] = []
    results, measured = {}, set()
    for model, label in MODELS.items():
        found = {
            path.name: _read(path)
            for path in sorted((out / "scores" / model).glob("*"))
            if (path / "base" / "stage.json").exists()
        }
        for name, one in found.items():
            parts.append(f"### {CORPORA[name]}, {label}\n\n{_table(one)}")
            parts.append("\n".join(f"- {line}" for line in _sentences(CORPORA[name], one)))
            measured |= set(one["scores"])  # type: ignore[call-overload]
        results[model] = {name: _as_json(one) for name, one in found.items()}
    parts.insert(0, _legend(measured))
    (out / "results.json").write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    start, end = "<!-- measured: recipes -->", "<!-- end: recipes -->"
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(start)
    tail = rest.partition(end)[2]
    PAGE.write_text(f"{head}{start}\n\n" + "\n\n".join(parts) + f"\n\n{end}{tail}", encoding="utf-8")


def _read(folder: Path) -> dict[str, object]:
    """Scores [seeds, queries] by arm, which queries no arm's training touched (but arms that touch all), and the conclusions."""
    base = pl.read_parquet(folder / "base" / "scores.parquet")
    scores = {"base": base[MEASURE].to_numpy()[None], "bm25": pl.read_parquet(folder / "bm25" / "scores.parquet")[MEASURE].to_numpy()[None]}  # fmt: skip
    touched: dict[str, np.ndarray] = {}
    steps: dict[str, int] = {}
    for arm in ARMS:
        seeds = [pl.read_parquet(path) for path in sorted((folder / arm.name).glob("seed-*/scores.parquet"))]
        if seeds:
            scores[arm.name] = np.stack([one[MEASURE].to_numpy() for one in seeds])
            touched[arm.name] = np.any([one["contaminated"].to_numpy() for one in seeds], axis=0)
            steps[arm.name] = json.loads((folder / arm.name / "seed-0" / "stage.json").read_text())["steps"]
    pairs = [(name, "base") for name in scores if name != "base"]
    everything = {c.system: c for c in conclude(scores, pairs, margin=MARGIN)} if pairs else {}
    clean: dict[str, Conclusion] = {}
    known = {name: one for name, one in touched.items() if not one.all()}
    if known:
        kept = ~np.any(list(known.values()), axis=0)
        own = {name: values[:, kept] for name, values in scores.items() if name in known or name not in touched}
        if kept.sum() > 1:
            clean = {c.system: c for c in conclude(own, [pair for pair in pairs if pair[0] in own], margin=MARGIN)}
    return {"scores": scores, "all": everything, "clean": clean, "steps": steps}


def _legend(measured: set[str]) -> str:
    rows = [[f"`{arm.name}`", arm.says] for arm in ARMS if arm.name in measured]
    return table([["arm", "trains with"], *rows])


def _table(one: dict[str, object]) -> str:
    clean = next(iter(one["clean"].values()), None)  # type: ignore[attr-defined]
    queries = len(one["scores"]["base"][0])  # type: ignore[index]
    header = ["arm", MEASURE, f"to `base`, {queries} queries", "verdict", f"to `base`, {clean.queries if clean else 0} clean", "verdict"]  # fmt: skip
    names = [name for name in ("base", "bm25", *(arm.name for arm in ARMS)) if name in one["scores"]]  # type: ignore[operator]
    return table([header, *([f"`{name}`", *_cells(one, name)] for name in names)])


def _cells(one: dict[str, object], name: str) -> list[str]:
    values = one["scores"][name].mean(axis=1)  # type: ignore[index]
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    cells = [f"{values.mean():.3f}{spread}"]
    for part in ("all", "clean"):
        told = one[part].get(name)  # type: ignore[attr-defined]
        cells += (
            [f"{told.difference:+.3f} [{told.low:+.3f}, {told.high:+.3f}]", _MARKS[told.verdict]] if told else ["", ""]
        )
    return cells


def _sentences(label: str, one: dict[str, object]) -> list[str]:
    """The verdicts in full, of what the defaults are."""
    parts = (("all", label), ("clean", f"{label} without contaminated queries"))
    return [
        sentence(one[part][arm], MEASURE, title)  # type: ignore[index]
        for arm in DEFAULTS
        for part, title in parts
        if arm in one[part]  # type: ignore[operator]
    ]


def _as_json(one: dict[str, object]) -> dict[str, object]:
    return {
        "means": {name: values.mean(axis=1).tolist() for name, values in one["scores"].items()},  # type: ignore[attr-defined]
        **{part: {name: c.as_json() for name, c in one[part].items()} for part in ("all", "clean")},  # type: ignore[attr-defined]
        "steps": one["steps"],
    }
