"""The way of the data, as a list of stages: corpus -> queries -> candidates (-> judgements) -> negatives -> dataset.

Each stage meets the next on disk (`<out>/<corpus>/<stage>/`). A stage's fingerprint covers its own parameters and the
content of the stages that it needs, so a change anywhere remakes what follows from it and nothing else.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnhub.corpus.load import make_corpus
from hnhub.engine.local import once
from hnhub.pipeline.job import Job, Stage
from hnhub.pipeline.miners import CANDIDATES, candidate_sources, candidates_stage
from hnhub.pipeline.parameters import (
    CorpusParameters,
    DatasetParameters,
    JudgementsParameters,
    NegativesParameters,
    Parameters,
    QueriesParameters,
)
from hnhub.pipeline.replaced import warn_of_replaced
from hnhub.progress import Event, Used, in_stage, tell
from hnhub.records import JUDGES
from hnhub.rows.own_tables import check_own_tables
from hnhub.schema import SCORES
from hnhub.stages import StageRecord, content_of, facts_of, finished, is_users, lock, run_stage, waiting_lock

if TYPE_CHECKING:
    from hnhub.negatives.judge import Judge

__all__ = ["run", "stages", "status"]


def stages(job: Job) -> list[Stage]:
    """Every stage of a build, in the order in which they run."""
    return [
        Stage("corpus", (), partial(CorpusParameters.of, job), lambda out, _: make_corpus(out, job.source)),
        _queries(job),
        *(candidates_stage(job, name) for name in candidate_sources(job.recipe)),
        *(_judgements(job, method) for method in job.recipe.methods if job.recipe.judge),
        *(_negatives(job, method) for method in job.recipe.methods),
        _dataset(job),
    ]


def run(steps: Sequence[Stage], folder: Path, *, wait: bool = False) -> dict[str, StageRecord]:
    """Make what is not finished, in order, holding the folder's lock; return the records by stage name.

    If another process holds it that is a UsageError, or with `wait` a reason to wait.

    Each stage that is done is told as an event. Errors of a stage pass through; finished stages stay.
    """
    records: dict[str, StageRecord] = {}
    _check_users(steps, folder)
    own = {
        stage.name: stage.parameters() for stage in steps
    }  # all before any work, so that a wrong model is refused first
    tell(Event("stages", 0, len(steps), stages=tuple(stage.name for stage in steps)))
    with waiting_lock(folder.parent, folder.name) if wait else nullcontext(), lock(folder):
        warn_of_replaced(folder, own)
        for stage in steps:
            started = time.monotonic()
            parts = _parts(stage, own[stage.name], records)
            known = finished(folder / stage.name, parts, record_name=stage.record_name)
            with in_stage(stage.name) as used:
                record = known or run_stage(folder / stage.name, parts, stage.make, record_name=stage.record_name)
            records[stage.name] = record
            what = _held(stage.name, records)
            tell(_done(stage.name, record, what, used, made=known is None, seconds=time.monotonic() - started))
    return records


def _check_users(steps: Sequence[Stage], folder: Path) -> None:
    """Look at what the user put in a stage's place before anything is made, let alone paid for."""
    for stage in steps:
        if is_users(folder / stage.name, record_name=stage.record_name):
            check_own_tables(folder / stage.name, stage.name.partition("/")[0])


def _rows(record: StageRecord) -> dict[str, int]:
    """By table."""
    return {name: file["rows"] for name, file in record.files.items() if "rows" in file and "ledger" not in name}


def _held(stage: str, records: Mapping[str, StageRecord]) -> str:
    """What a finished stage holds, in words."""
    record, kind = records[stage], stage.partition("/")[0]
    rows = _rows(record)
    if kind == "candidates" and record.fingerprint != "user":  # the query's positive stands among its candidates
        return f"{sum(rows.values()) - sum(_rows(records['queries']).values()):,} candidates"
    if kind == "negatives" and "chosen" in record.facts:  # so do those that were not chosen
        return f"{record.facts['chosen']:,} negatives of {record.facts['candidates']:,} candidates"
    if kind == "dataset":  # one figure will do
        return f"{len(rows)} tables, {sum(rows.values()):,} rows"
    return ", ".join(f"{count:,} {Path(name).stem}" for name, count in rows.items())


def _done(stage: str, record: StageRecord, what: str, used: Used, *, made: bool, seconds: float) -> Event:
    done = sum(_rows(record).values())
    return Event(
        what,
        done,
        done,
        stage,
        {**record.facts.get("dropped", {}), **_left_out(record)},
        used.tokens,
        "made" if made else "there",
        seconds,
        cost=used.cost,
        failures=used.failures,
    )


def _left_out(record: StageRecord) -> dict[str, int]:
    """The queries that a method leaves out, as it found too few negatives for them."""
    short = record.facts.get("shortfall", {})
    return {"shortfall": short["queries"]} if short.get("queries") and short["handling"] == "drop" else {}


def status(steps: Sequence[Stage], folder: Path) -> dict[str, StageRecord | None]:
    """By stage name: the record of each that is finished, None for each that a build would make."""
    records: dict[str, StageRecord] = {}
    _check_users(steps, folder)
    for stage in steps:
        # A stage without a folder needs no fingerprint, which may need the Hub.
        if all(need in records for need in stage.needs) and (folder / stage.name).exists():
            record = finished(
                folder / stage.name, _parts(stage, stage.parameters(), records), record_name=stage.record_name
            )
            if record:
                records[stage.name] = record
    return {stage.name: records.get(stage.name) for stage in steps}


def _code_version(stage: str) -> int:
    """The version of the code behind a stage."""
    kind, _, method = stage.partition("/")
    return (CANDIDATES[method] if kind == "candidates" else _PARAMETERS[kind]).VERSION


_PARAMETERS: Mapping[str, type[Parameters]] = {
    "corpus": CorpusParameters,
    "queries": QueriesParameters,
    "judgements": JudgementsParameters,
    "negatives": NegativesParameters,
    "dataset": DatasetParameters,
}


def _parts(stage: Stage, own: Parameters, records: Mapping[str, StageRecord]) -> dict[str, object]:
    inputs = {need: records[need].content for need in stage.needs}
    return {"stage": stage.name, "inputs": inputs, **own.as_dict()}


def _queries(job: Job) -> Stage:
    from hnhub.bm25 import open as bm25

    def search(queries: Sequence[str], k: int) -> list[list[str]]:
        index = bm25.open_index(job.documents, job.home / "bm25", job.made_by.bm25, job.engine.threads)
        rows, _ = index.search(queries, k)
        ids = index.document_ids
        return [[ids[row].as_py() for row in ranking if row >= 0] for ranking in rows.tolist()]

    def make(out: Path, _: Path) -> Mapping[str, Any]:
        from hnhub.queries.make import make_queries

        facts = make_queries(
            out,
            corpus=job.folder / "corpus",
            recipe=job.made_by,
            models=job.models,
            prompts=job.prompts,
            search=search,
            corpus_revision=job.corpus_revision,
            marks=job.marks,
        )
        return {**facts, "language": asdict(job.language)}

    return Stage("queries", ("corpus",), partial(QueriesParameters.of, job), make)


def _judgements(job: Job, method: str) -> Stage:
    def make(out: Path, work: Path) -> Mapping[str, Any]:
        from hnhub.negatives.judge import make_judgements

        return make_judgements(
            out,
            work,
            judge=_judge(job),
            method=method,
            candidates=job.candidates(method)[method],
            documents=job.documents,
            queries=job.queries,
            qrels=job.folder / "corpus" / "qrels.parquet",
            recipe=job.made_by,
            corpus_revision=job.corpus_revision,
            chunked=job.chunked,
            engine=job.engine,
        )

    needs = ("corpus", "queries", f"candidates/{method}")
    return Stage(f"judgements/{method}", needs, partial(JudgementsParameters.of, job, method), make)


def _judge(job: Job) -> "Judge":
    from hnhub.negatives.judge import cross_encoder_judge, llm_judge
    from hnhub.negatives.judge_lists import cascade_judge, listwise_judge

    recipe = job.recipe
    assert recipe.judge
    kind = JUDGES[recipe.judge]
    scoring = cross_encoder_judge(recipe.cross_encoder, recipe.precision, recipe.max_percent, recipe.max_margin)
    if kind.task is None:
        return scoring
    assert job.model is not None
    asking = (listwise_judge if kind.one_request else llm_judge)(job.model, job.prompts[kind.task], recipe.seed)
    return cascade_judge(scoring, asking) if kind.scores else asking


def _negatives(job: Job, method: str) -> Stage:
    recipe = job.recipe
    needs = ("corpus", "queries", f"candidates/{method}", *([f"judgements/{method}"] if recipe.judge else []))

    def make(out: Path, _: Path) -> Mapping[str, Any]:
        from hnhub.negatives.choose import make_negatives

        negatives = partial(
            make_negatives,
            method=method,
            candidates=job.candidates(method)[method],
            documents=job.documents,
            queries=job.queries,
            qrels=job.folder / "corpus" / "qrels.parquet",
            recipe=job.made_by,
            judgements=job.folder / "judgements" / method / "judgements.parquet" if recipe.judge else None,
            chunked=job.chunked,
            marks=job.marks,
        )
        return once(job.engine, negatives, out)

    return Stage(f"negatives/{method}", needs, partial(NegativesParameters.of, job, method), make)


def _dataset(job: Job) -> Stage:
    recipe = job.recipe
    sources = candidate_sources(recipe)
    candidates = [f"candidates/{source}" for source in sources]
    judgements = [f"judgements/{method}" for method in recipe.methods if recipe.judge]
    needs = ("corpus", "queries", *candidates, *judgements, *(f"negatives/{method}" for method in recipe.methods))

    def make(out: Path, _: Path) -> Mapping[str, Any]:
        from hnhub.publish.finish import finish
        from hnhub.publish.licences import may_publish_text
        from hnhub.publish.origin import made_with
        from hnhub.rows.assemble import make_rows

        publish_text = may_publish_text(job.source.spec, job.rights)
        rows = partial(
            make_rows,
            corpus=job.folder / "corpus",
            queries=job.folder / "queries",
            negatives={method: job.folder / "negatives" / method for method in recipe.methods},
            recipe=recipe,
            ledgers={name.replace("/", "-"): job.folder / name / "ledger.parquet" for name in ("corpus", *candidates)},
            scores={source: path for source, path in job.candidates(*sources).items() if f"{source}_score" in SCORES},
            publish_text=publish_text,
        )
        written = once(job.engine, rows, out)
        return finish(
            out,
            spec=job.source.spec,
            version=job.version,
            stage_facts={**{name: facts_of(job.folder / name) for name in needs}, "rows": written},
            recipe=recipe,
            prompts={task: prompt.text for task, prompt in job.prompts.items()},
            rights_statement=job.rights,
            review=job.marks.facts() if job.marks else None,
            built=made_with(
                models=[model.identity for model in job.models],
                code={name: _code_version(name) for name in (*needs, "dataset")},
                stages={name: content_of(job.folder / name) for name in needs},
                marks=job.marks,
                publishes_text=publish_text,
            ),
        )

    return Stage("dataset", needs, partial(DatasetParameters.of, job), make, record_name="manifest.json")
