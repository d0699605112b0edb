"""An evaluation as mteb writes its own: `<model>/<revision>/<task>.json` and `model_meta.json`, for its leaderboard and tools."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from hnhub import __version__
from hnhub.corpus.catalog import CATALOG
from hnhub.errors import UsageError
from hnhub.learn.evaluate import Evaluation
from hnhub.learn.metrics import score
from hnhub.stages import write_atomically

__all__ = ["DEPTH", "mteb_scores", "write_mteb_results"]

DEPTH = 1000
"""Documents a query that mteb ranks."""

_CUTOFFS = (1, 3, 5, 10, 20, 100, 1000)
_NAMES = {"nDCG": "ndcg", "MAP": "map", "Recall": "recall", "P": "precision", "MRR": "mrr"}


def mteb_scores(evaluation: Evaluation) -> dict[str, float]:
    """Mteb's measures under mteb's names, rounded to 5 digits as it does; without its nAUC, which judge confidence."""
    wanted = {f"{ours}@{k}": f"{name}_at_{k}" for ours, name in _NAMES.items() for k in _CUTOFFS}
    found = score(evaluation.judged.qrels, evaluation.run, list(wanted))
    scores = {wanted[measure]: round(value, 5) for measure, value in found.means().items()}
    scores |= {f"hit_rate_at_{k}": round(float(np.mean(found.values[f"MRR@{k}"] > 0)), 5) for k in _CUTOFFS}
    return scores | {"accuracy": scores["recall_at_1"], "main_score": scores["ndcg_at_10"]}


def write_mteb_results(folder: Path, evaluation: Evaluation) -> Path:
    """Write the result of one task below `folder`; returns the file.

    The task and its revision are mteb's where the catalog knows them, else the corpus's own name and revision. Raises UsageError
    if fewer than `DEPTH` documents a query were asked for: measures at 1,000 would be too low.
    """
    judged, settings = evaluation.judged, evaluation.settings
    if settings.get("depth", 0) < DEPTH:
        raise UsageError(
            f"mteb ranks {DEPTH:,} documents a query, this ranking has {settings.get('depth')}",
            do=f"give --depth {DEPTH}",
        )
    spec = CATALOG.get(judged.corpus)
    task = spec.mteb if spec else None
    scores = {**mteb_scores(evaluation), "hf_subset": "default", "languages": ["eng-Latn"] if task else ["und"]}
    result: dict[str, Any] = {
        "dataset_revision": task.revision if task else judged.revision,
        "task_name": task.name if task else judged.corpus,
        "mteb_version": "2.26.24",
        "scores": {judged.split: [scores]},
        "evaluation_time": None,
        "kg_co2_emissions": None,
    }
    revision = str(settings.get("revision") or "no_revision_available")
    place = folder / evaluation.model.replace("/", "__").replace(" ", "_") / revision
    meta = {"name": evaluation.model, "revision": revision, "reference": f"hnhub {__version__}"}
    write_atomically(place / "model_meta.json", _text(meta))
    write_atomically(place / f"{result['task_name']}.json", _text(result))
    return place / f"{result['task_name']}.json"


def _text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
