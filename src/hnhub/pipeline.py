"""The way of the data, as a list of stages: corpus -> queries -> candidates -> negatives -> dataset.

Each stage meets the next on disk (`<out>/<corpus>/<stage>/`). A stage's fingerprint covers its own parameters and the
content of the stages that it needs, so a change anywhere remakes what follows from it and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnhub.corpus.load import Source, make_corpus
from hnhub.records import Recipe
from hnhub.stages import StageRecord, finished, lock, read_record, run_stage

if TYPE_CHECKING:
    from hnhub.llm.client import Model
    from hnhub.llm.prompts import Prompt

__all__ = ["DEFAULT_BI_ENCODER", "VERSIONS", "Build", "Stage", "prompt_tasks", "run", "stages", "status"]

VERSIONS = {"corpus": 1, "queries": 1, "candidates": 1, "negatives": 1, "dataset": 1}
"""The version of the code behind each kind of stage; raise one when its output changes for the same input."""

DEFAULT_BI_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
"""For `dense` and `hybrid` where the recipe names none."""

Make = Callable[[Path, Path], Mapping[str, Any]]


@dataclass(frozen=True)
class Build:
    """All that a build is made from."""

    recipe: Recipe
    version: str
    source: Source
    folder: Path
    """`<out>/<corpus>`."""
    prompts: "Mapping[str, Prompt]"
    """By task, one for each of `prompt_tasks(recipe)`."""
    model: "Model | None"
    home: Path
    """Where indexes lie that several builds share."""
    threads: int | None = None
    rights: str | None = None
    """The user's statement that they may publish a corpus whose licence is unknown or forbids it."""

    @property
    def documents(self) -> Path:
        """The corpus's documents."""
        return self.folder / "corpus" / "documents.parquet"

    @property
    def queries(self) -> Path:
        """The frozen queries, the same for every method."""
        return self.folder / "queries" / "queries.parquet"

    @property
    def corpus_revision(self) -> str:
        """The revision of the corpus as it was loaded."""
        return str(_facts(self.folder / "corpus").get("revision", "user"))

    def candidates(self, *sources: str) -> dict[str, Path]:
        """The candidates' files of these sources."""
        return {name: self.folder / "candidates" / name / "candidates.parquet" for name in sources}


@dataclass(frozen=True)
class Stage:
    """One step: its folder below the build's, what it needs, what else it is made from, and how."""

    name: str
    needs: tuple[str, ...]
    parts: Callable[[], Mapping[str, object]]
    """May ask the Hub for a model's revision, so it is called only when it is needed."""
    make: Make
    record_name: str = "stage.json"


def prompt_tasks(recipe: Recipe) -> tuple[str, ...]:
    """The tasks that this recipe asks a language model to do."""
    used = {
        "query": recipe.queries_from == "llm",
        "negative": "llm" in recipe.methods,
        "negative-pos": "llm-pos" in recipe.methods,
    }
    return tuple(task for task, wanted in used.items() if wanted)


def stages(build: Build) -> list[Stage]:
    """Every stage of a build, in the order in which they run."""
    return [
        Stage("corpus", (), lambda: {"source": build.source.identity()}, lambda out, _: make_corpus(out, build.source)),
        _queries(build),
        *(_CANDIDATES[name](build) for name in _candidate_sources(build.recipe)),
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
        if all(need in records for need in stage.needs):
            record = finished(folder / stage.name, _parts(stage, stage.parts(), records), record_name=stage.record_name)
            if record:
                records[stage.name] = record
    return {stage.name: records.get(stage.name) for stage in steps}


def _facts(folder: Path) -> dict[str, Any]:
    """What a finished stage recorded; nothing if the user put it there."""
    record = folder / "stage.json"
    return dict(read_record(record).facts) if record.exists() else {}


def _parts(stage: Stage, own: Mapping[str, object], records: Mapping[str, StageRecord]) -> dict[str, object]:
    kind = stage.name.partition("/")[0]
    inputs = {need: records[need].content for need in stage.needs}
    return {"stage": stage.name, "version": VERSIONS[kind], "inputs": inputs, **own}


def _model_parts(build: Build, task: str) -> dict[str, object]:
    return {
        "model": build.model.identity if build.model else None,
        "prompt": build.prompts[task].sha256,
        "sampling": [build.recipe.temperature, build.recipe.top_p],
    }


def _queries(build: Build) -> Stage:
    recipe = build.recipe

    def parts() -> dict[str, object]:
        drawn: dict[str, object] = {"from": recipe.queries_from, "queries": recipe.queries, "seed": recipe.seed}
        if recipe.queries_from == "qrels":
            return drawn
        return {**drawn, **_model_parts(build, "query"), "round_trip": recipe.round_trip}

    def search(queries: Sequence[str], k: int) -> list[list[str]]:
        from hnhub.negatives import bm25

        index = bm25.open_index(build.documents, build.home / "bm25", threads=build.threads)
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


def _llm(build: Build, name: str, task: str) -> Stage:
    def make(out: Path, _: Path) -> Mapping[str, Any]:
        from hnhub.negatives import llm

        assert build.model is not None
        return llm.make_candidates(
            out,
            documents=build.documents,
            queries=build.queries,
            recipe=build.recipe,
            with_positive=task == "negative-pos",
            model=build.model,
            prompt=build.prompts[task],
            corpus_revision=build.corpus_revision,
        )

    return Stage(
        f"candidates/{name}",
        ("corpus", "queries"),
        lambda: {**_model_parts(build, task), "negatives": build.recipe.negatives, "seed": build.recipe.seed},
        make,
    )


def _bm25(build: Build) -> Stage:
    from hnhub.negatives.bm25 import BM25Settings

    settings = BM25Settings()

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
            threads=build.threads,
        )

    return Stage(
        "candidates/bm25",
        ("corpus", "queries"),
        lambda: {"depth": build.recipe.depth, "settings": settings.as_dict()},
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
            corpus_revision=build.corpus_revision,
        )

    return Stage(
        "candidates/dense",
        ("corpus", "queries"),
        lambda: {"depth": build.recipe.depth, "bi_encoder": dense.identity(bi_encoder)},
        make,
    )


def _hybrid(build: Build) -> Stage:
    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives import hybrid

        return hybrid.make_candidates(
            out, work, sources=build.candidates("bm25", "dense"), queries=build.queries, depth=build.recipe.depth
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
        )

    needs = ("corpus", "queries", *(f"candidates/{source}" for source in sources))
    return Stage(
        "candidates/ce",
        needs,
        lambda: {"depth": recipe.depth, "cross_encoder": cross_encoder.identity(recipe.cross_encoder)},
        make,
    )


_CANDIDATES: Mapping[str, Callable[[Build], Stage]] = {
    # In the order in which they run: each after those that it is made from.
    "llm": lambda build: _llm(build, "llm", "negative"),
    "llm-pos": lambda build: _llm(build, "llm-pos", "negative-pos"),
    "bm25": _bm25,
    "dense": _dense,
    "hybrid": _hybrid,
    "ce": _ce,
}


def _candidate_sources(recipe: Recipe) -> list[str]:
    wanted = set(recipe.methods)
    if wanted & {"ce", "hybrid"}:
        wanted.add("bm25")
    if "hybrid" in wanted or ("ce" in wanted and recipe.bi_encoder):
        wanted.add("dense")
    return [name for name in _CANDIDATES if name in wanted]


def _negatives(build: Build, method: str) -> Stage:
    recipe = build.recipe

    def make(out: Path, _: Path) -> Mapping[str, Any]:
        from hnhub.negatives.choose import make_negatives

        return make_negatives(
            out,
            method=method,
            candidates=build.candidates(method)[method],
            documents=build.documents,
            queries=build.queries,
            qrels=build.folder / "corpus" / "qrels.parquet",
            recipe=recipe,
        )

    return Stage(
        f"negatives/{method}",
        ("corpus", "queries", f"candidates/{method}"),
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
    sources = _candidate_sources(recipe)
    candidates = (f"candidates/{source}" for source in sources)
    needs = ("corpus", "queries", *candidates, *(f"negatives/{method}" for method in recipe.methods))

    def make(out: Path, _: Path) -> Mapping[str, Any]:
        from hnhub.publish.finish import finish
        from hnhub.publish.licences import may_publish_text
        from hnhub.rows.assemble import make_rows

        made_before = ("corpus", *(f"candidates/{source}" for source in sources))
        make_rows(
            out,
            corpus=build.folder / "corpus",
            queries=build.folder / "queries",
            negatives={method: build.folder / "negatives" / method for method in recipe.methods},
            recipe=recipe,
            ledgers={name.replace("/", "-"): build.folder / name / "ledger.parquet" for name in made_before},
            publish_text=may_publish_text(build.source.spec, build.rights),
        )
        return finish(
            out,
            spec=build.source.spec,
            version=build.version,
            stage_facts={name: _facts(build.folder / name) for name in needs},
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
