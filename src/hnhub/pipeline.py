"""The way of the data, as a list of stages: corpus -> queries -> candidates (-> judgements) -> negatives -> dataset.

Each stage meets the next on disk (`<out>/<corpus>/<stage>/`). A stage's fingerprint covers its own parameters and the
content of the stages that it needs, so a change anywhere remakes what follows from it and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hnhub.build import Build, Stage, facts_of, model_parts
from hnhub.corpus.load import make_corpus
from hnhub.engines import once
from hnhub.miners import MINERS, candidate_sources
from hnhub.records import Recipe
from hnhub.stages import StageRecord, finished, lock, run_stage

__all__ = ["VERSIONS", "prompt_tasks", "run", "stages", "status"]

VERSIONS = {"corpus": 1, "queries": 1, "candidates": 1, "judgements": 1, "negatives": 1, "dataset": 1}
"""The version of the code behind each kind of stage; raise one when its output changes for the same input."""


def prompt_tasks(recipe: Recipe) -> tuple[str, ...]:
    """The tasks that this recipe asks a language model to do."""
    used = {
        "query": recipe.queries_from == "llm",
        "negative": "llm" in recipe.methods,
        "negative-pos": "llm-pos" in recipe.methods,
        "judge": recipe.judge == "llm",
    }
    return tuple(task for task, wanted in used.items() if wanted)


def stages(build: Build) -> list[Stage]:
    """Every stage of a build, in the order in which they run."""
    return [
        Stage("corpus", (), lambda: {"source": build.source.identity()}, lambda out, _: make_corpus(out, build.source)),
        _queries(build),
        *(MINERS[name](build) for name in candidate_sources(build.recipe)),
        *(_judgements(build, method) for method in build.recipe.methods if build.recipe.judge),
        *(_negatives(build, method) for method in build.recipe.methods),
        _dataset(build),
    ]


def run(
    steps: Sequence[Stage], folder: Path, on_stage: Callable[[Stage, StageRecord, bool], None]
) -> dict[str, StageRecord]:
    """Make what is not finished, in order, holding the folder's lock; return the records by stage name.

    `on_stage(stage, record, made)` is called after each. Errors of a stage pass through; finished stages stay.
    """
    records: dict[str, StageRecord] = {}
    own = {stage.name: stage.parts() for stage in steps}  # all before any work, so that a wrong model is refused first
    with lock(folder):
        for stage in steps:
            parts = _parts(stage, own[stage.name], records)
            known = finished(folder / stage.name, parts, record_name=stage.record_name)
            records[stage.name] = known or run_stage(
                folder / stage.name, parts, stage.make, record_name=stage.record_name
            )
            on_stage(stage, records[stage.name], known is None)
    return records


def status(steps: Sequence[Stage], folder: Path) -> dict[str, StageRecord | None]:
    """By stage name: the record of each that is finished, None for each that a build would make."""
    records: dict[str, StageRecord] = {}
    for stage in steps:
        # A stage without a folder needs no fingerprint, which may need the Hub.
        if all(need in records for need in stage.needs) and (folder / stage.name).exists():
            record = finished(folder / stage.name, _parts(stage, stage.parts(), records), record_name=stage.record_name)
            if record:
                records[stage.name] = record
    return {stage.name: records.get(stage.name) for stage in steps}


def _parts(stage: Stage, own: Mapping[str, object], records: Mapping[str, StageRecord]) -> dict[str, object]:
    kind = stage.name.partition("/")[0]
    inputs = {need: records[need].content for need in stage.needs}
    return {"stage": stage.name, "version": VERSIONS[kind], "inputs": inputs, **own}


def _queries(build: Build) -> Stage:
    from hnhub.negatives import bm25

    recipe = build.recipe
    settings = bm25.BM25Settings.of(recipe.bm25)

    def parts() -> dict[str, object]:
        drawn: dict[str, object] = {"from": recipe.queries_from, "queries": recipe.queries, "seed": recipe.seed}
        if recipe.queries_from == "qrels":
            return drawn
        written = {**drawn, **model_parts(build, "query"), "round_trip": recipe.round_trip}
        return {**written, "bm25": bm25.identity(settings)} if recipe.round_trip and recipe.bm25 else written

    def search(queries: Sequence[str], k: int) -> list[list[str]]:
        index = bm25.open_index(build.documents, build.home / "bm25", settings, build.engine.threads)
        rows, _ = index.search(queries, k)
        ids = index.document_ids
        return [[ids[row].as_py() for row in ranking if row >= 0] for ranking in rows.tolist()]

    def make(out: Path, _: Path) -> Mapping[str, Any]:
        from hnhub.queries.make import make_queries

        return make_queries(
            out,
            corpus=build.folder / "corpus",
            recipe=recipe,
            model=build.model,
            prompt=build.prompts.get("query"),
            search=search,
            corpus_revision=build.corpus_revision,
        )

    return Stage("queries", ("corpus",), parts, make)


def _judgements(build: Build, method: str) -> Stage:
    from hnhub.negatives import cross_encoder
    from hnhub.negatives.judge import cross_encoder_judge, llm_judge, make_judgements

    recipe = build.recipe

    def parts() -> dict[str, object]:
        by: dict[str, object] = {"cross_encoder": None, "model": None, "prompt": None}
        if recipe.judge == "ce":
            by["cross_encoder"] = cross_encoder.identity(recipe.cross_encoder)
        elif build.model:
            by |= {"model": build.model.identity, "prompt": build.prompts["judge"].sha256}
        return {
            **by,
            "judge": recipe.judge,
            "negatives": recipe.negatives,
            "seed": recipe.seed,
            "sampling": [recipe.sampling, recipe.rank_min, recipe.rank_max],
            "cut": [recipe.max_percent, recipe.max_margin] if "ce" in (method, recipe.judge) else None,
        }

    def make(out: Path, work: Path) -> Mapping[str, Any]:
        if recipe.judge == "ce":
            judge = cross_encoder_judge(recipe.cross_encoder, recipe.max_percent, recipe.max_margin)
        else:
            assert build.model is not None
            judge = llm_judge(build.model, build.prompts["judge"], recipe.seed)
        return make_judgements(
            out,
            work,
            judge=judge,
            method=method,
            candidates=build.candidates(method)[method],
            documents=build.documents,
            queries=build.queries,
            qrels=build.folder / "corpus" / "qrels.parquet",
            recipe=recipe,
            corpus_revision=build.corpus_revision,
        )

    return Stage(f"judgements/{method}", ("corpus", "queries", f"candidates/{method}"), parts, make)


def _negatives(build: Build, method: str) -> Stage:
    recipe = build.recipe
    needs = ("corpus", "queries", f"candidates/{method}", *([f"judgements/{method}"] if recipe.judge else []))

    def make(out: Path, _: Path) -> Mapping[str, Any]:
        from hnhub.negatives.choose import make_negatives

        negatives = partial(
            make_negatives,
            method=method,
            candidates=build.candidates(method)[method],
            documents=build.documents,
            queries=build.queries,
            qrels=build.folder / "corpus" / "qrels.parquet",
            recipe=recipe,
            judgements=build.folder / "judgements" / method / "judgements.parquet" if recipe.judge else None,
        )
        return once(build.engine, negatives, out)

    return Stage(
        f"negatives/{method}",
        needs,
        lambda: {
            "negatives": recipe.negatives,
            "seed": recipe.seed,
            "on_shortfall": recipe.on_shortfall,
            "sampling": [recipe.sampling, recipe.rank_min, recipe.rank_max],
            "cut": [recipe.max_percent, recipe.max_margin] if method == "ce" else None,
        },
        make,
    )


def _dataset(build: Build) -> Stage:
    recipe = build.recipe
    sources = candidate_sources(recipe)
    candidates = [f"candidates/{source}" for source in sources]
    judgements = [f"judgements/{method}" for method in recipe.methods if recipe.judge]
    needs = ("corpus", "queries", *candidates, *judgements, *(f"negatives/{method}" for method in recipe.methods))

    def make(out: Path, _: Path) -> Mapping[str, Any]:
        from hnhub.publish.finish import finish
        from hnhub.publish.licences import may_publish_text
        from hnhub.rows.assemble import make_rows

        rows = partial(
            make_rows,
            corpus=build.folder / "corpus",
            queries=build.folder / "queries",
            negatives={method: build.folder / "negatives" / method for method in recipe.methods},
            recipe=recipe,
            ledgers={
                name.replace("/", "-"): build.folder / name / "ledger.parquet" for name in ("corpus", *candidates)
            },
            publish_text=may_publish_text(build.source.spec, build.rights),
        )
        once(build.engine, rows, out)
        return finish(
            out,
            spec=build.source.spec,
            version=build.version,
            stage_facts={name: facts_of(build.folder / name) for name in needs},
            recipe=recipe,
            prompts={task: prompt.text for task, prompt in build.prompts.items()},
            rights_statement=build.rights,
        )

    return Stage(
        "dataset",
        needs,
        lambda: {"recipe": recipe.as_dict(), "dataset_version": build.version, "rights": build.rights},
        make,
        record_name="manifest.json",
    )
