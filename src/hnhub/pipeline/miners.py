"""The candidate stages, one a source: what each is made from, and the miner that makes it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hnhub.pipeline.job import Job, Stage, model_parts
from hnhub.records import Recipe

__all__ = ["DEFAULT_BI_ENCODER", "MINERS", "candidate_sources"]

DEFAULT_BI_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
"""For `dense` and `hybrid` where the recipe names none."""


def candidate_sources(recipe: Recipe) -> list[str]:
    """The sources that a recipe's methods need, each after those that it is made from."""
    wanted = set(recipe.methods)
    if wanted & {"ce", "hybrid"}:
        wanted.add("bm25")
    if "hybrid" in wanted or ("ce" in wanted and recipe.bi_encoder):
        wanted.add("dense")
    return [name for name in MINERS if name in wanted]


def _llm(job: Job, name: str, task: str) -> Stage:
    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import llm

        assert job.model is not None
        return llm.make_candidates(
            out,
            work,
            documents=job.documents,
            queries=job.queries,
            recipe=job.recipe,
            with_positive=task == "negative-pos",
            model=job.model,
            prompt=job.prompts[task],
            corpus_revision=job.corpus_revision,
            engine=job.engine,
        )

    return Stage(
        f"candidates/{name}",
        ("corpus", "queries"),
        lambda: {**model_parts(job, task), "negatives": job.recipe.negatives, "seed": job.recipe.seed},
        make,
    )


def _bm25(job: Job) -> Stage:
    from hnhub.bm25.open import identity
    from hnhub.bm25.settings import BM25Settings

    settings = BM25Settings.of(job.recipe.bm25)

    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import bm25

        return bm25.make_candidates(
            out,
            work,
            documents=job.documents,
            queries=job.queries,
            depth=job.recipe.depth,
            settings=settings,
            index_folder=job.home / "bm25",
            corpus_revision=job.corpus_revision,
            engine=job.engine,
        )

    return Stage(
        "candidates/bm25",
        ("corpus", "queries"),
        lambda: {"depth": job.recipe.depth, "settings": identity(settings)},
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
    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import hybrid

        return hybrid.make_candidates(
            out,
            work,
            sources=job.candidates("bm25", "dense"),
            queries=job.queries,
            depth=job.recipe.depth,
            corpus_revision=job.corpus_revision,
        )

    needs = ("queries", "candidates/bm25", "candidates/dense")
    return Stage("candidates/hybrid", needs, lambda: {"depth": job.recipe.depth}, make)


def _ce(job: Job) -> Stage:
    from hnhub.negatives import cross_encoder

    recipe = job.recipe
    sources = ("bm25", "dense") if recipe.bi_encoder else ("bm25",)

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
    "llm": lambda job: _llm(job, "llm", "negative"),
    "llm-pos": lambda job: _llm(job, "llm-pos", "negative-pos"),
    "bm25": _bm25,
    "dense": _dense,
    "hybrid": _hybrid,
    "ce": _ce,
}
