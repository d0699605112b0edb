"""The candidate stages, one a source: what each is made from, and the miner that makes it."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from hnhub.pipeline.job import Job, Stage
from hnhub.pipeline.parameters import CANDIDATES
from hnhub.records import METHODS, Recipe

__all__ = ["MINERS", "candidate_sources", "sources_of"]


def candidate_sources(recipe: Recipe) -> list[str]:
    """The sources that a recipe's methods need, each after those that it is made from."""
    wanted = {*recipe.methods, *(source for method in recipe.methods for source in sources_of(method, recipe))}
    return [name for name in MINERS if name in wanted]


def sources_of(method: str, recipe: Recipe) -> tuple[str, ...]:
    """The methods whose candidates a method is made from."""
    found = METHODS[method]
    return found.sources + (found.further_sources if recipe.bi_encoder else ())


def _llm(job: Job, name: str) -> Stage:
    task = METHODS[name].task
    assert task is not None

    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import llm

        assert job.model is not None
        return llm.make_candidates(
            out,
            work,
            documents=job.documents,
            queries=job.queries,
            recipe=job.made_by,
            method=name,
            model=job.model,
            prompt=job.prompts[task],
            corpus_revision=job.corpus_revision,
            engine=job.engine,
        )

    return Stage(
        f"candidates/{name}",
        ("corpus", "queries"),
        partial(CANDIDATES[name], job, name),
        make,
    )


def _bm25(job: Job) -> Stage:
    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import bm25

        return bm25.make_candidates(
            out,
            work,
            documents=job.documents,
            queries=job.queries,
            depth=job.recipe.depth,
            settings=job.bm25,
            index_folder=job.home / "bm25",
            corpus_revision=job.corpus_revision,
            engine=job.engine,
        )

    return Stage(
        "candidates/bm25",
        ("corpus", "queries"),
        partial(CANDIDATES["bm25"], job, "bm25"),
        make,
    )


def _dense(job: Job) -> Stage:
    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import dense

        return dense.make_candidates(
            out,
            work,
            documents=job.documents,
            queries=job.queries,
            depth=job.recipe.depth,
            bi_encoder=job.recipe.bi_encoder or dense.DEFAULT_BI_ENCODER,
            faiss=job.recipe.faiss,
            corpus_revision=job.corpus_revision,
            engine=job.engine,
        )

    return Stage(
        "candidates/dense",
        ("corpus", "queries"),
        partial(CANDIDATES["dense"], job, "dense"),
        make,
    )


def _hybrid(job: Job) -> Stage:
    sources = sources_of("hybrid", job.recipe)

    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import hybrid

        return hybrid.make_candidates(
            out,
            work,
            sources=job.candidates(*sources),
            queries=job.queries,
            depth=job.recipe.depth,
            corpus_revision=job.corpus_revision,
        )

    needs = ("queries", *(f"candidates/{source}" for source in sources))
    return Stage("candidates/hybrid", needs, partial(CANDIDATES["hybrid"], job, "hybrid"), make)


def _ce(job: Job) -> Stage:
    recipe = job.recipe
    sources = sources_of("ce", recipe)

    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import cross_encoder

        return cross_encoder.make_candidates(
            out,
            work,
            sources=job.candidates(*sources),
            documents=job.documents,
            queries=job.queries,
            depth=recipe.depth,
            cross_encoder=recipe.cross_encoder,
            corpus_revision=job.corpus_revision,
            engine=job.engine,
        )

    needs = ("corpus", "queries", *(f"candidates/{source}" for source in sources))
    return Stage(
        "candidates/ce",
        needs,
        partial(CANDIDATES["ce"], job, "ce"),
        make,
    )


MINERS: Mapping[str, Callable[[Job], Stage]] = {
    # In the order in which they run: each after those that it is made from.
    "llm": lambda job: _llm(job, "llm"),
    "llm-pos": lambda job: _llm(job, "llm-pos"),
    "bm25": _bm25,
    "dense": _dense,
    "hybrid": _hybrid,
    "ce": _ce,
}
