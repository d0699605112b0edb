"""Variants x models x corpora x seeds from one plan: train, evaluate, conclude. Every step is a stage, so a run goes on.

<out>/models/<model>/<variant>/<corpus or all>/seed-<n>/        a trained model
<out>/scores/<model>/<variant>/<corpus>/seed-<n>/               evaluation.json, scores.parquet, run.trec
<out>/results.json, results.md, plots/*.png                     (`hnhub.learn.report`)
"""

import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from hnhub.encode.encoder import Encoder
from hnhub.encode.memory import release
from hnhub.encode.models import need_torch, resolve
from hnhub.encode.presets import identity
from hnhub.learn.compare_plan import Plan, Variant, check_plan
from hnhub.learn.evaluate import Judged, Searcher, depth_for, evaluate, open_split, retrieve, write_evaluation
from hnhub.learn.leaks import check_leaks
from hnhub.learn.options import settings_for
from hnhub.learn.runs import read_run
from hnhub.learn.search import DenseSearcher
from hnhub.learn.statistics import conclude, sentence
from hnhub.learn.train import train_stage
from hnhub.learn.training_data import load_training_data
from hnhub.stages import file_sha256, run_stage

__all__ = ["compare"]

log = logging.getLogger(__name__)

CODE_VERSION = 1
"""Raise it when the same model and corpus would give other scores."""


@dataclass(frozen=True)
class _Cell:
    """One evaluated combination: per-query scores, and which queries its training had contaminated."""

    values: Mapping[str, npt.NDArray[np.float64]]
    contaminated: frozenset[str]


@dataclass(frozen=True)
class _Job:
    """What all combinations share."""

    plan: Plan
    out: Path
    cache: Path
    searcher: Callable[[Judged], Searcher]
    tests: Mapping[str, Judged]


@dataclass(frozen=True)
class _Combination:
    model: str
    source: str
    """The model before training: an id or folder."""
    name: str
    variant: Variant
    corpus: str
    seed: int


def compare(
    plan: Plan,
    out: Path,
    cache: Path,
    searcher: Callable[[Judged], Searcher],
    *,
    tests: Mapping[str, Judged] | None = None,
) -> dict[str, Any]:
    """Carry the plan out, going on from what is there, and return the results as plain data.

    `cache` keeps embeddings of models that are not trained here; `searcher` opens BM25 over a split's documents. `tests` are the
    plan's corpora where they are open already.
    """
    check_plan(plan)
    if any(variant.run is None for variant in plan.variants.values()):
        need_torch()
    tests = tests or {
        name: open_split(name, corpus.split, _path(corpus.folder)) for name, corpus in plan.corpora.items()
    }
    job = _Job(plan, out, cache, searcher, tests)
    cells: dict[tuple[str, str, str], list[_Cell]] = {}
    for (model, source), (name, variant) in itertools.product(plan.models.items(), plan.variants.items()):
        for corpus, seed in itertools.product(tests, plan.seeds if variant.dataset else [0]):
            log.info("%s, %s, %s, seed %d", model, name, corpus, seed)
            cell = _measured(job, _Combination(model, source, name, variant, corpus, seed))
            cells.setdefault((corpus, model, name), []).append(cell)
            if variant.run is None:
                release()
    comparisons = [_concluded(plan, corpus, model, cells, tests[corpus]) for corpus in tests for model in plan.models]
    return {"plan": asdict(plan), "comparisons": comparisons}


def _measured(job: _Job, one: _Combination) -> _Cell:
    plan, test, variant = job.plan, job.tests[one.corpus], one.variant
    source, cache, contaminated = one.source, job.cache, frozenset[str]()
    if variant.dataset:
        folder, contaminated = _trained(job, one)
        source, cache = str(folder), folder.parent / ".embeddings"
    what: dict[str, Any] = {"run": variant.run}
    if variant.run is None:
        what |= identity(source)
    elif variant.run != "bm25":
        what["file"] = file_sha256(_run_file(one))
    parts = {
        "code": CODE_VERSION,
        "corpus": test.revision,
        "split": test.split,
        "what": what,
        "max_length": plan.max_length,
        "measures": plan.measures,
        "contaminated": sorted(contaminated),
    }

    def make(folder: Path, _: Path) -> dict[str, Any]:
        depth = depth_for(plan.measures)
        if variant.run is None:
            encoder = Encoder(source, max_length=plan.max_length)
            run = retrieve(DenseSearcher.open(encoder, test.documents, cache), test, depth)
        elif variant.run == "bm25":
            run = retrieve(job.searcher(test), test, depth)
        else:
            run = read_run(_run_file(one))
        label = f"{one.model} {one.name}"
        write_evaluation(folder, evaluate(run, test, model=label, measures=plan.measures, contaminated=contaminated))
        return {}

    place = job.out / "scores" / one.model / one.name / one.corpus / f"seed-{one.seed}"
    run_stage(place, parts, make)
    table = pl.read_parquet(place / "scores.parquet")
    return _Cell({measure: table[measure].to_numpy() for measure in plan.measures}, contaminated)


def _trained(job: _Job, one: _Combination) -> tuple[Path, frozenset[str]]:
    plan, variant = job.plan, one.variant
    assert variant.dataset is not None
    assert variant.config is not None
    own = "{corpus}" in variant.dataset
    settings = settings_for(one.source, **{**plan.train, **variant.train, "seed": one.seed})
    data = load_training_data(
        variant.dataset.replace("{corpus}", one.corpus),
        variant.config,
        revision=variant.revision,
        distil=settings.scored,
        teacher=settings.teacher,
        candidates=settings.candidates,
        held_out_share=plan.held_out_share,
        limit=plan.rows,
        seed=one.seed,
    )
    tests = [job.tests[one.corpus]] if own else list(job.tests.values())
    checked = check_leaks(data, tests, on_leak=plan.on_leak)
    folder = job.out / "models" / one.model / one.name / (one.corpus if own else "all") / f"seed-{one.seed}"
    train_stage(folder, checked.data, resolve(one.source), settings, checked.facts)
    return folder, checked.contaminated[job.tests[one.corpus].corpus]


def _concluded(
    plan: Plan, corpus: str, model: str, cells: Mapping[tuple[str, str, str], list[_Cell]], test: Judged
) -> dict[str, Any]:
    """Means and verdicts of one corpus and model: over all queries, and over those no variant's training contaminated."""
    mine = {name: cells[corpus, model, name] for name in plan.variants}
    others = [name for name in plan.variants if name != plan.baseline]
    pairs = [(name, plan.baseline) for name in others]
    trained = [name for name in others if plan.variants[name].dataset]
    pairs += [(b, a) for a, b in itertools.combinations(trained, 2)]
    contaminated = frozenset().union(*(cell.contaminated for cell_list in mine.values() for cell in cell_list))
    clean = np.array([query_id not in contaminated for query_id in test.query_ids])
    parts = {"all": np.ones(len(clean), np.bool_)}
    if contaminated and clean.sum() > 1:
        parts["clean"] = clean
    found: dict[str, Any] = {
        "corpus": test.corpus, "corpus_revision": test.revision, "split": test.split, "model": model,
        "contaminated_queries": len(contaminated), "queries": len(clean), "parts": {},
    }  # fmt: skip
    for part, kept in parts.items():
        means, conclusions = {}, {}
        for measure in plan.measures:
            values = {name: np.stack([cell.values[measure][kept] for cell in seeds]) for name, seeds in mine.items()}
            means[measure] = {name: _mean(scores) for name, scores in values.items()}
            label = f"{test.corpus}{' without contaminated queries' if part == 'clean' else ''}, {model}"
            conclusions[measure] = [
                {**c.as_json(), "sentence": sentence(c, measure, label)}
                for c in conclude(values, pairs, margin=plan.margin, alpha=plan.alpha, test=plan.test)
            ]
        found["parts"][part] = {"queries": int(kept.sum()), "means": means, "conclusions": conclusions}
    return found


def _mean(scores: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Mean over queries and seeds, and the standard deviation of the seeds' means (None for one seed)."""
    by_seed = scores.mean(axis=1)
    spread = float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None
    return {"mean": float(by_seed.mean()), "seeds": len(by_seed), "sd_over_seeds": spread}


def _path(folder: str | None) -> Path | None:
    return Path(folder).expanduser() if folder else None


def _run_file(one: _Combination) -> Path:
    assert one.variant.run is not None
    return Path(one.variant.run.replace("{corpus}", one.corpus))
