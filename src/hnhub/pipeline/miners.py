"""The candidate stages, one a source: each made by the miner that `METHODS` names."""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from hnhub.pipeline.job import Job, Stage
from hnhub.pipeline.parameters import CANDIDATES
from hnhub.records import METHODS, Recipe

__all__ = ["candidate_sources", "candidates_stage", "sources_of"]


def candidate_sources(recipe: Recipe) -> list[str]:
    """The sources that a recipe's methods need, each after those that it is made from."""
    found: dict[str, None] = {}

    def add(method: str) -> None:
        for source in sources_of(method, recipe):
            add(source)
        found[method] = None

    for method in METHODS:
        if method in recipe.methods:
            add(method)
    return list(found)


def sources_of(method: str, recipe: Recipe) -> tuple[str, ...]:
    """The methods whose candidates a method is made from."""
    found = METHODS[method]
    return found.sources + (found.further_sources if recipe.bi_encoder else ())


def candidates_stage(job: Job, method: str) -> Stage:
    """The stage that makes a method's candidates."""
    sources = sources_of(method, job.recipe)

    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives.mining import Mining

        task = METHODS[method].task
        mining = Mining(
            method=method,
            recipe=job.made_by,
            documents=job.documents,
            queries=job.queries,
            corpus_revision=job.corpus_revision,
            sources=job.candidates(*sources),
            model=job.model,
            prompt=job.prompts[task] if task else None,
            indexes=job.home / "bm25",
            engine=job.engine,
        )
        miner = import_module(f"hnhub.negatives.{METHODS[method].miner}")
        facts: Mapping[str, Any] = miner.make_candidates(out, work, mining)
        return facts

    needs = ("corpus", "queries", *(f"candidates/{source}" for source in sources))
    return Stage(f"candidates/{method}", needs, partial(CANDIDATES[method], job, method), make)
