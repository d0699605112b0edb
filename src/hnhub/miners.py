"""The candidate stages, one a source: what each is made from, and the miner that makes it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hnhub.build import Build, Stage, model_parts
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


def _llm(build: Build, name: str, task: str) -> Stage:
    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import llm

        assert build.model is not None
        return llm.make_candidates(
            out,
            work,
            documents=build.documents,
            queries=build.queries,
            recipe=build.recipe,
            with_positive=task == "negative-pos",
            model=build.model,
            prompt=build.prompts[task],
            corpus_revision=build.corpus_revision,
            engine=build.engine,
        )

    return Stage(
        f"candidates/{name}",
        ("corpus", "queries"),
        lambda: {**model_parts(build, task), "negatives": build.recipe.negatives, "seed": build.recipe.seed},
        make,
    )


def _bm25(build: Build) -> Stage:
    from hnhub.negatives.bm25 import BM25Settings, identity

    settings = BM25Settings.of(build.recipe.bm25)

    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import bm25

        return bm25.make_candidates(
            out,
            work,
            documents=build.documents,
            queries=build.queries,
            depth=build.recipe.depth,
            settings=settings,
            index_folder=build.home / "bm25",
            corpus_revision=build.corpus_revision,
            engine=build.engine,
        )

    return Stage(
        "candidates/bm25",
        ("corpus", "queries"),
        lambda: {"depth": build.recipe.depth, "settings": identity(settings)},
        make,
    )


def _dense(build: Build) -> Stage:
    from hnhub.negatives import dense

    bi_encoder = build.recipe.bi_encoder or DEFAULT_BI_ENCODER

    def make(out: Path, work: Path) -> Mapping[str, Any]:
        return dense.make_candidates(
            out,
            work,
            documents=build.documents,
            queries=build.queries,
            depth=build.recipe.depth,
            bi_encoder=bi_encoder,
            faiss=build.recipe.faiss,
            corpus_revision=build.corpus_revision,
            engine=build.engine,
        )

    return Stage(
        "candidates/dense",
        ("corpus", "queries"),
        lambda: {
            "depth": build.recipe.depth,
            "bi_encoder": dense.identity(bi_encoder),
            "faiss": build.recipe.faiss,
        },
        make,
    )


def _hybrid(build: Build) -> Stage:
    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import hybrid

        return hybrid.make_candidates(
            out,
            work,
            sources=build.candidates("bm25", "dense"),
            queries=build.queries,
            depth=build.recipe.depth,
            corpus_revision=build.corpus_revision,
        )

    needs = ("queries", "candidates/bm25", "candidates/dense")
    return Stage("candidates/hybrid", needs, lambda: {"depth": build.recipe.depth}, make)


def _ce(build: Build) -> Stage:
    from hnhub.negatives import cross_encoder

    recipe = build.recipe
    sources = ("bm25", "dense") if recipe.bi_encoder else ("bm25",)

    def make(out: Path, work: Path) -> Mapping[str, Any]:
        return cross_encoder.make_candidates(
            out,
            work,
            sources=build.candidates(*sources),
            documents=build.documents,
            queries=build.queries,
            depth=recipe.depth,
            cross_encoder=recipe.cross_encoder,
            corpus_revision=build.corpus_revision,
            engine=build.engine,
        )

    needs = ("corpus", "queries", *(f"candidates/{source}" for source in sources))
    return Stage(
        "candidates/ce",
        needs,
        lambda: {"depth": recipe.depth, "cross_encoder": cross_encoder.identity(recipe.cross_encoder)},
        make,
    )


MINERS: Mapping[str, Callable[[Build], Stage]] = {
    # In the order in which they run: each after those that it is made from.
    "llm": lambda build: _llm(build, "llm", "negative"),
    "llm-pos": lambda build: _llm(build, "llm-pos", "negative-pos"),
    "bm25": _bm25,
    "dense": _dense,
    "hybrid": _hybrid,
    "ce": _ce,
}
