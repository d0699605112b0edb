"""What may be said of base, tuned model and BM25 on a test set, from the scores of every query."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from hnhub.learn.statistics import conclude, sentence

__all__ = ["SYSTEMS", "results_of"]

SYSTEMS = ("bm25", "base", "tuned")
_PAIRS = (("tuned", "base"), ("tuned", "bm25"))
_WORDS = {"written": "queries written by a model", "human": "people's judgements"}


def results_of(
    scores: Mapping[str, Sequence[Path]],
    *,
    name: str,
    kind: Literal["written", "human"],
    measures: Sequence[str],
    margin: float,
    styles: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Means, verdicts and sentences of one test set, as plain data.

    `scores` are per-query tables (query_id, measures, contaminated) by system, one a seed. `styles`: query id -> style. Verdicts are of
    the tuned model against base and BM25, Holm-corrected over these two. `clean` is the same without the queries of which a
    relevant passage was a positive in training (None where there is none, or fewer than two are left).
    """
    tables = {system: [pl.read_parquet(path) for path in paths] for system, paths in scores.items()}
    first = tables["tuned"][0]
    seen = np.logical_or.reduce([table["contaminated"].to_numpy() for table in tables["tuned"]])
    label = f"{name} ({_WORDS[kind]})"
    all_queries = np.ones(len(seen), np.bool_)
    found = {
        "name": name,
        "kind": kind,
        "queries": len(seen),
        "contaminated": int(seen.sum()),
        **_part(tables, all_queries, measures, margin, label),
        "clean": None,
        "styles": {},
    }
    if seen.any() and (~seen).sum() > 1:
        found["clean"] = {
            "queries": int((~seen).sum()),
            **_part(tables, ~seen, measures, margin, f"{label}, without contaminated queries"),
        }
    if styles:
        own = np.array([styles.get(query_id, "") for query_id in first["query_id"]])
        for style in sorted(set(own) - {""}):
            kept = own == style
            means = {system: _mean(tables[system], measures[0], kept) for system in SYSTEMS}
            found["styles"][style] = {"queries": int(kept.sum()), **means}
    return found


def _part(
    tables: Mapping[str, Sequence[pl.DataFrame]],
    kept: npt.NDArray[np.bool_],
    measures: Sequence[str],
    margin: float,
    label: str,
) -> dict[str, Any]:
    means: dict[str, Any] = {}
    conclusions: dict[str, Any] = {}
    for measure in measures:
        values = {system: np.stack([table[measure].to_numpy()[kept] for table in tables[system]]) for system in SYSTEMS}
        means[measure] = {system: float(scores.mean()) for system, scores in values.items()}
        by_seed = values["tuned"].mean(axis=1)
        means[measure]["spread"] = float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None
        conclusions[measure] = [
            {**one.as_json(), "sentence": sentence(one, measure, label)}
            for one in conclude(values, _PAIRS, margin=margin)
        ]
    return {"means": means, "conclusions": conclusions}


def _mean(tables: Sequence[pl.DataFrame], measure: str, kept: npt.NDArray[np.bool_]) -> float:
    return float(np.mean([table[measure].to_numpy()[kept].mean() for table in tables]))
