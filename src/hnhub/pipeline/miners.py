"""The candidate stages, one a source: what each is made from, and the miner that makes it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hnhub.pipeline.job import Job, Stage, model_parts
from hnhub.records import METHODS, Recipe

__all__ = ["DEFAULT_BI_ENCODER", "MINERS", "candidate_sources", "sources_of"]

DEFAULT_BI_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
"""For `dense` and `hybrid` where the recipe names none."""


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
        lambda: {
            **model_parts(job, task),
            "negatives": job.recipe.negatives,
            "seed": job.recipe.seed,
            "language": job.recipe.language,
        },
        make,
    )


def _bm25(job: Job) -> Stage:
    from hnhub.bm25.open import identity
    from hnhub.bm25.settings import BM25Settings

    given = BM25Settings.of(job.recipe.bm25, job.recipe.language or "en")

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
        lambda: {"depth": job.recipe.depth, "settings": identity(given), "language": job.recipe.language},
        make,
    )


def _dense(job: Job) -> Stage:
    from hnhub.negatives import dense

    bi_encoder = job.recipe.bi_encoder or DEFAULT_BI_ENCODER

    def make(out: Path, work: Path) -> Mapping[str, Any]:
        return dense.make_candidates(
            out,
            work,
            documents=job.documents,
            queries=job.queries,
            depth=job.recipe.depth,
            bi_encoder=bi_encoder,
            faiss=job.recipe.faiss,
            corpus_revision=job.corpus_revision,
            engine=job.engine,
        )

    return Stage(
        "candidates/dense",
        ("corpus", "queries"),
        lambda: {
            "depth": job.recipe.depth,
            "bi_encoder": dense.identity(bi_encoder),
            "faiss": job.recipe.faiss,
        },
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
    return Stage("candidates/hybrid", needs, lambda: {"depth": job.recipe.depth}, make)


def _ce(job: Job) -> Stage:
    from hnhub.negatives import cross_encoder

    recipe = job.recipe
    sources = sources_of("ce", recipe)

    def make(out: Path, work: Path) -> Mapping[str, Any]:
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
        lambda: {"depth": recipe.depth, "cross_encoder": cross_encoder.identity(recipe.cross_encoder)},
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
