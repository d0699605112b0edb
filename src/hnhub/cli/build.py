"""`hnhub build`: from a corpus to a finished dataset."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hnhub.cli.options import as_json, build_options
from hnhub.cli.watch import watching
from hnhub.errors import UsageError

if TYPE_CHECKING:
    from hnhub.llm.prompts import Prompt
    from hnhub.pipeline.decisions import Decision
    from hnhub.pipeline.job import Job, Stage
    from hnhub.records import Recipe
    from hnhub.stages import StageRecord

__all__ = ["build", "prepared"]

# Options that are fields of the recipe, under the same name.
_DECISIONS = (
    "queries", "queries_from", "round_trip", "negatives", "depth", "seed", "model", "bi_encoder", "faiss",
    "cross_encoder", "max_percent", "max_margin", "sampling", "rank_min", "rank_max", "on_shortfall", "judge",
)  # fmt: skip


@click.command()
@build_options
@as_json
def build(as_json: bool, **options: Any) -> None:
    """Build a dataset from CORPUS: a name of the catalog, a Hub dataset, or with --corpus-dir any name you like."""
    from hnhub.llm.embedded import MODEL as EMBEDDED
    from hnhub.pipeline import run as pipeline
    from hnhub.publish.elsewhere import deliver, is_url

    started = time.monotonic()

    def on_stage(stage: "Stage", record: "StageRecord", made: bool) -> None:
        nonlocal started
        seconds, started = time.monotonic() - started, time.monotonic()
        click.echo(f"{stage.name:22} {_summary(record):58} {f'{seconds:.1f} s' if made else 'there'}", err=True)

    with prepared(options) as job, watching():
        records = pipeline.run(pipeline.stages(job), job.folder, on_stage)
    result = _result(job, records)
    if is_url(options["out"]):
        click.echo(
            f"{options['out']}: {'written' if deliver(job.folder / 'dataset', options['out']) else 'there'}", err=True
        )
    click.echo(json.dumps(result, indent=1, ensure_ascii=False) if as_json else _report(result))
    if job.model and job.model.identity["model"] == EMBEDDED:
        click.echo(
            f"\n{EMBEDDED} is a very small model: what it wrote is poor and often false; look before use", err=True
        )


@contextmanager
def prepared(options: Mapping[str, Any]) -> "Iterator[Job]":
    """A build as the options say, its model open. Everything that is given is checked before anything runs."""
    from hnhub.cli.opening import opened_engine, opened_model
    from hnhub.corpus.load import resolve
    from hnhub.home import home
    from hnhub.pipeline.decisions import find_decision
    from hnhub.pipeline.job import Job

    corpus = options["corpus"]
    decision = find_decision(corpus, options["builder"])
    recipe = _recipe(decision, options)
    source = resolve(corpus, options["corpus_dir"])
    prompts = _prompts(decision, recipe, source.spec.family if source.spec else None, options["prompts"])
    recipe = replace(recipe, prompts=tuple((task, prompt.sha256) for task, prompt in sorted(prompts.items())))
    with (
        opened_engine(options) as engine,
        opened_model(recipe, options, engine) if prompts else nullcontext() as model,
    ):
        yield Job(
            recipe=recipe,
            version=decision.version,
            source=source,
            folder=_run_folder(options["out"]) / source.name,
            prompts=prompts,
            model=model,
            home=home(),
            engine=engine,
            rights=options["rights"],
        )


def _run_folder(out: str) -> Path:
    """Stages are made on a filesystem of this machine (or one that all nodes share); a URL gets the finished dataset."""
    from hnhub.home import home
    from hnhub.publish.elsewhere import check_url, is_url
    from hnhub.stages import fingerprint

    if not is_url(out):
        return Path(out)
    check_url(out)
    return home() / "runs" / fingerprint({"out": out})[:16]


def _recipe(decision: "Decision", options: Mapping[str, Any]) -> "Recipe":
    from hnhub.pipeline.decisions import ordered

    given = {name: options[name] for name in _DECISIONS if options[name] is not None}
    for one, other in (("max_margin", "max_percent"), ("max_percent", "max_margin")):
        if one in given:
            given.setdefault(other, None)  # one on the command line replaces the builder's other
    if given.get("round_trip") == 0:
        given["round_trip"] = None
    if given.get("judge") == "none":
        given["judge"] = None
    given["bm25"] = _bm25(decision.recipe.bm25, options["bm25"])
    if options["methods"]:
        given["methods"] = ordered(options["methods"])
    recipe = replace(decision.recipe, **given)
    last = recipe.rank_max or recipe.depth
    if recipe.judge == "ce" and recipe.max_percent is None and recipe.max_margin is None:
        raise UsageError("--judge ce has no limit to judge by", do="give --max-percent or --max-margin")
    mined = set(recipe.methods) - {"llm", "llm-pos"}
    if mined and last - recipe.rank_min + 1 < recipe.negatives:
        raise UsageError(
            f"ranks {recipe.rank_min} to {last} hold fewer than {recipe.negatives} negatives",
            do="widen --depth, --rank-min and --rank-max, or lower --negatives",
        )
    return recipe


def _bm25(
    decided: "tuple[tuple[str, str | float | None], ...]", given: tuple[str, ...]
) -> "tuple[tuple[str, str | float | None], ...]":
    """The builder's settings with those of the command line, as far as they differ from the defaults."""
    from hnhub.bm25.settings import BM25Settings

    settings: list[tuple[str, str | float | None]] = list(decided)
    for item in given:
        key, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--bm25 {item!r}: is not KEY=VALUE", do="write, say, --bm25 k1=1.2")
        settings.append((key, None if value == "none" else value))
    return BM25Settings.of(settings).changed


def _prompts(decision: "Decision", recipe: "Recipe", family: str | None, given: tuple[str, ...]) -> "dict[str, Prompt]":
    from hnhub.llm.prompts import find_prompt
    from hnhub.pipeline.run import prompt_tasks

    files: dict[str, Path] = dict(decision.prompts)
    for item in given:
        task, equals, file = item.partition("=")
        if not equals:
            raise UsageError(f"--prompt {item!r}: is not TASK=FILE", do="write, say, --prompt negative=mine.toml")
        files[task] = Path(file)
    tasks = prompt_tasks(recipe)
    if unused := sorted(set(files) - set(tasks)):
        raise UsageError(
            f"--prompt {unused[0]}: this build asks no model for that",
            do=f"its tasks are {', '.join(tasks) or 'none'}",
        )
    return {task: find_prompt(task, family, files.get(task)) for task in tasks}


def _summary(record: "StageRecord") -> str:
    rows = {name: file["rows"] for name, file in record.files.items() if "rows" in file and "ledger" not in name}
    dropped = sum(file["rows"] for name, file in record.files.items() if "rows" in file and "ledger" in name)
    if len(rows) > 4:  # the dataset: one figure will do
        return f"{len(rows)} tables, {sum(rows.values()):,} rows"
    text = ", ".join(f"{count:,} {Path(name).stem}" for name, count in rows.items())
    return f"{text}, {dropped:,} dropped" if dropped else text


def _result(job: "Job", records: "Mapping[str, StageRecord]") -> dict[str, Any]:
    folder = job.folder / "dataset"
    stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))["stats"]
    return {
        "dataset": str(folder),
        "fingerprint": records["dataset"].fingerprint,
        "rows": stats["rows"],
        "drops": stats["drops"],
        "model": job.model.totals if job.model else None,
    }


def _report(result: Mapping[str, Any]) -> str:
    """What lies where, what was dropped and why."""
    rows = [(name, split, f"{count:,}") for name, splits in result["rows"].items() for split, count in splits.items()]
    drops = [(drop["stage"], drop["method"] or "", drop["reason"], f"{drop['count']:,}") for drop in result["drops"]]
    dropped = _columns(drops) if drops else ["  nothing"]
    lines = [f"dataset  {result['dataset']}", "", "rows", *_columns(rows), "", "dropped", *dropped]
    if result["model"]:
        lines += ["", "asked of the model", *_columns([_asked(*totals) for totals in result["model"].items()])]
    return "\n".join(lines)


def _asked(method: str, totals: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        method,
        f"{totals['requests']:,} requests",
        f"{totals['cached']:,} answered by the journal",
        f"{totals['prompt_tokens']:,} tokens in",
        f"{totals['completion_tokens']:,} out",
        f"{totals['parse_failures']:,} answers not parsed ({totals['parse_failures'] / max(1, totals['requests']):.1%})",
    )


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
