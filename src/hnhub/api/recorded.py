"""A build as a manifest tells it, for who makes it again: its job, and the answers of language models that go with it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from hnhub.api.runs import Run
from hnhub.corpus.load import Source, again
from hnhub.encode.models import pinned
from hnhub.errors import InputError, UsageError
from hnhub.home import home
from hnhub.marks import parse_marks
from hnhub.pipeline import run as pipeline
from hnhub.pipeline.job import Job, Stage
from hnhub.pipeline.tasks import prompt_tasks
from hnhub.progress import in_stage
from hnhub.publish.origin import Origin, read_origin
from hnhub.publish.push_plan import MANIFEST
from hnhub.records import JUDGES, METHODS
from hnhub.stages import canonical_json, content_of, read_record

if TYPE_CHECKING:
    from hnhub.llm.recorded import Kept

__all__ = ["collect_answers", "journal_of", "recorded_job"]

_COMMIT = 40
_COLUMNS = pl.Schema(
    {
        "key": pl.String,
        "method": pl.String,
        "model": pl.String,
        "revision": pl.String,
        "server": pl.String,
        "text": pl.String,
        "finish": pl.String,
        "prompt_tokens": pl.Int64,
        "completion_tokens": pl.Int64,
        "failure": pl.String,
    }
)
"""answers.parquet: a row for each request, by the SHA-256 of the whole request (hex). Either `text` or `failure` is null."""
_BATCH = 8192


@contextmanager
def recorded_job(origin: Origin, source: Source, out: Path, models: tuple[Any, ...] = ()) -> Iterator[Job]:
    """The job of a build in `out`, with the models of the Hub at the commits that they stood at.

    Raises InputError for marks that are not to be had, or prompts that are not the recipe's.
    """
    from hnhub.llm.prompts import read_prompt

    family = source.spec.family if source.spec else None
    prompts = {}
    for task in prompt_tasks(origin.recipe):
        name, _, style = task.partition(".")
        prompts[task] = read_prompt(
            name, origin.prompts.get(task, ""), f"the manifest's prompt {task}", style or family
        )
    if origin.recipe.prompts != tuple((task, prompt.sha256) for task, prompt in sorted(prompts.items())):
        raise InputError("the manifest's prompts are not those of its recipe", do="build it again with hnhub build")
    if origin.marked and origin.marks is None:
        raise InputError(
            "it was built with a person's marks, which are not published", do="build with --marks yourself"
        )
    commits = {
        one["model"]: one["revision"]
        for one in origin.encoders.values()
        if len(one["revision"]) == _COMMIT and ":" not in one["revision"]
    }
    with pinned(commits):
        yield Job(
            recipe=origin.recipe,
            version=origin.version,
            source=source,
            folder=out / source.name,
            prompts=prompts,
            model=next(iter(models), None),
            generators=tuple(models[1:]),
            home=home(),
            marks=parse_marks(canonical_json(origin.marks)) if origin.marks is not None else None,
            rights=origin.rights,
        )


def collect_answers(dataset: Path) -> tuple[bytes, dict[str, Any]] | None:
    """Every answer that the build of a dataset took from the journal, as the bytes of a Parquet file, and what the card says of them.

    The stages that ask are made again, from the journal alone: what they ask for is what is kept, and what comes out has to be
    what was built. None where no language model was asked. Raises InputError where the manifest does not say what it was built
    from or the journal lacks an answer, UsageError where no text may be published or other stages come out.
    """
    from hnhub.llm.recorded import kept, open_recorded

    record = read_record(dataset / MANIFEST)
    origin = read_origin(record, str(dataset))
    if not origin.models:
        return None
    if not Run(dataset).stats["publishes_text"]:
        raise UsageError(f"{dataset}: publishes no text, so no answers either", do="push without --with-answers")
    journal = home() / "journal.sqlite"
    if not journal.is_file():
        raise InputError(f"{journal}: no journal is here", do="push from where it was built, or without --with-answers")
    used: set[bytes] = set()
    recipe = origin.recipe
    with (
        tempfile.TemporaryDirectory(prefix="hnhub-") as place,
        open_recorded(
            origin.models, journal=journal, thinking=recipe.thinking, extra_body=recipe.extra_body, used=used
        ) as models,
        recorded_job(origin, _source(origin, dataset.parent), Path(place), models) as job,
        in_stage("answers"),
    ):
        steps = {stage.name: stage for stage in pipeline.stages(job)}
        asking = [name for name in steps if _asks(name, origin)]
        wanted = _with_needs(asking, steps)
        for name in set(wanted) - {"corpus", *asking}:
            _borrow(dataset.parent / name, job.folder / name)
        pipeline.run([steps[name] for name in wanted], job.folder)
        if odd := [name for name in asking if content_of(job.folder / name) != origin.stages[name]]:
            raise UsageError(
                f"{dataset}: the journal's answers do not give its stage {odd[0]}",
                do="build it again, then push --with-answers",
            )
        rows = [{**asdict(one), "key": one.key.hex()} for one in kept(journal, used)]
    data = BytesIO()
    pl.DataFrame(rows, schema=_COLUMNS).write_parquet(data, compression="zstd", statistics=False)
    return data.getvalue(), {"rows": len(rows), "failures": sum(row["text"] is None for row in rows)}


def journal_of(answers: Path, place: Path) -> Path:
    """A journal of its own of published answers, in `place`. Raises InputError for a file with other columns."""
    from hnhub.llm.recorded import Kept, keep

    if pl.read_parquet_schema(answers) != _COLUMNS:
        raise InputError(f"{answers.name}: has other columns than {', '.join(_COLUMNS)}", do="give --endpoint")
    journal = place / "answers.sqlite"

    def outcomes() -> "Iterator[Kept]":
        for part in pl.read_parquet(answers).iter_slices(_BATCH):
            for row in part.iter_rows(named=True):
                yield Kept(**{**row, "key": bytes.fromhex(row["key"])})

    for old in place.glob("answers.sqlite*"):
        old.unlink()
    keep(journal, outcomes())
    return journal


def _source(origin: Origin, run: Path) -> Source:
    """The corpus of the run, where it is still there, else as the manifest tells it."""
    if (run / "corpus" / "stage.json").is_file():
        return Source(str(origin.source["name"]), None, given=run / "corpus")
    return again(origin.source)


def _asks(stage: str, origin: Origin) -> bool:
    """Whether a stage asks a language model."""
    kind, _, method = stage.partition("/")
    recipe = origin.recipe
    return {
        "queries": recipe.queries_from == "llm",
        "candidates": bool(method) and METHODS[method].written,
        "judgements": bool(recipe.judge and JUDGES[recipe.judge].task),
    }.get(kind, False)


def _with_needs(names: list[str], steps: dict[str, Stage]) -> list[str]:
    """These stages and all that they are made from, in the order in which they run."""
    found = set(names)
    for name in reversed(steps):
        if name in found:
            found.update(steps[name].needs)
    return [name for name in steps if name in found]


def _borrow(there: Path, here: Path) -> None:
    """Use a finished stage of the run, where it is still there, instead of making it again."""
    if (there / "stage.json").is_file():
        here.parent.mkdir(parents=True, exist_ok=True)
        here.symlink_to(there.resolve(), target_is_directory=True)
