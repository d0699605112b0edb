"""`hnhub.build`: from a corpus to a finished dataset. What a build is made of is made here, in one place."""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, get_type_hints

from hnhub.api.inputs import CorpusLike, Documents, source_of
from hnhub.api.opening import opened_engine, opened_models
from hnhub.api.runs import Run
from hnhub.encode.models import need_torch
from hnhub.errors import UsageError
from hnhub.home import home
from hnhub.llm.protocols import Api
from hnhub.marks import Marks, read_marks
from hnhub.pipeline import run as pipeline
from hnhub.pipeline.decisions import Decision, find_decision, ordered
from hnhub.pipeline.job import Job
from hnhub.pipeline.miners import candidate_sources
from hnhub.pipeline.tasks import prompt_tasks
from hnhub.progress import Event, showing, tell
from hnhub.publish.elsewhere import check_url, deliver, is_url
from hnhub.records import JUDGES, METHODS, BM25Settings, Recipe, RecipeOptions
from hnhub.records.options import check_values
from hnhub.stages import canonical_json, fingerprint, waiting_lock
from hnhub.text.names import meant
from hnhub.text.options import check_options

if TYPE_CHECKING:
    from hnhub.llm.prompts import Prompt

__all__ = ["BuildOptions", "MakingOptions", "build", "decide", "opened_job", "run_folder"]

log = logging.getLogger(__name__)


class MakingOptions(TypedDict, total=False):
    """Where and how a dataset is made (docs/cli.md says each one's meaning)."""

    bm25: BM25Settings | Mapping[str, str | float | None]
    """BM25's settings, or what differs from the builder's."""
    prompts: Mapping[str, str | os.PathLike[str]]
    """Prompt files of your own, by task: query, query.<style>, query-judge, negative, negative-pos, graded, judge, judge-list."""
    query_styles: Mapping[str, float]
    """Styles of written queries with their shares, e.g. {"question": 0.5, "keyword": 0.5}; the numbers are kept exactly."""
    endpoint: str | Sequence[str]
    """LLM servers' URLs; `local` is the embedded model, the default where it is installed."""
    api: Literal["auto"] | Api
    chat_template: str | os.PathLike[str] | None
    extra_body: Mapping[str, Any] | str | None
    """Further members of every request's body: a mapping, or a JSON object as text; None takes a member away."""
    deadline: float | None
    """Seconds that a request may take at most; by default it follows the latencies seen, up to 300."""
    max_tokens: int | None
    max_cost: float | None
    price: tuple[float, float] | None
    """Of a million tokens read and of a million written."""
    prices: str | os.PathLike[str] | None
    """Or a file of prices by model (docs/llm.md)."""
    batch_api: bool
    """Ask by OpenAI's batch API: at half the price, within a day."""
    requests_per_minute: int | None
    tokens_per_minute: int | None
    builder: str | os.PathLike[str] | None
    engine: Literal["local", "ray"]
    workers: int | None
    ray_address: str | None
    gpus_per_worker: float | None
    memory_per_worker: float | None
    """In GB."""
    out: str | os.PathLike[str]
    """The folder of runs, or a URL for the finished dataset."""
    rights: str | None
    """Why text may be published whose licence forbids it or is unknown; printed in the card."""


class BuildOptions(RecipeOptions, MakingOptions, total=False):
    """Options of a build: the decisions of its recipe, and where and how it is made."""

    methods: Sequence[str]
    """`all` is llm, bm25 and ce."""
    chunk_tokens: int | None
    """The longest chunk of a document of your own, in words and marks; `open_corpus` says more."""
    chunk_overlap: float | None
    """The share of a chunk that the next one repeats."""
    marks: str | os.PathLike[str] | Marks | None
    """What a person marked on the page of `hnhub.view` (docs/view.md): a marks.json, or what was read of it."""


def build(corpus: CorpusLike | Documents, *, name: str | None = None, **options: Unpack[BuildOptions]) -> Run:
    """Build a dataset, or what is missing of it: the same as `hnhub build`.

    `corpus` is a name of the catalog, a dataset on the Hub, a folder (BEIR's layout, tables, or text files, which are cut), a
    file of documents, or your own documents as `open_corpus` takes them; with queries and judgements of your own, what
    `open_corpus` returned. `name` is what a corpus of your own is called. What no option decides the corpus's builder does,
    else `hnhub.Recipe`'s defaults. Stages lie in `<out>/<name>/`; those that are made already of the same are taken.

    Raises UsageError and InputError before any work for what can't be, ServiceError if an endpoint or the Hub fails after its
    retries, LimitReached at `max_tokens` or `max_cost`, RuleBroken for a shortfall with `on_shortfall="fail"`; what was made is
    kept, and the same call goes on from it. MissingExtra without torch where a method or the judge needs it.

    >>> import hnhub
    >>> corpus = hnhub.open_corpus(
    ...     {f"d{n}": f"Kettle number {n} boils {n} litres of water." for n in range(9)},
    ...     name="kettles", queries={"q1": "which kettle boils 4 litres"}, qrels={"q1": ["d4"]}, split="train",
    ... )
    >>> run = hnhub.build(corpus, methods=["bm25"], queries_from="qrels", negatives=2)
    >>> run.rows["bm25"]
    {'train': 1}
    """
    with opened_job(corpus, name, options) as job, showing():
        pipeline.run(pipeline.stages(job), job.folder, wait=home() in job.folder.parents)
        asked, spent = job.asked, job.model.spent if job.model else None
        if job.model and job.model.identity["model"] == _embedded():
            log.warning("%s is a very small model: what it wrote is poor and often false; look before use", _embedded())
    dataset, out = job.folder / "dataset", os.fspath(options.get("out", "runs"))
    if is_url(out):
        with waiting_lock(job.folder.parent, job.folder.name):
            written = deliver(dataset, out)
        tell(Event("written" if written else "as it was", 0, stage=out, state="made" if written else "there"))
    return Run(dataset, asked, spent)


@contextmanager
def opened_job(
    corpus: CorpusLike | Documents, name: str | None, options: BuildOptions, *, ask: bool = True
) -> Iterator[Job]:
    """A build as the options say, its model open (without `ask` there is none). Everything that is given is checked first."""
    decision = decide(_called(corpus, name), options)
    if ask and _loads_models(decision.recipe):
        need_torch()  # before a corpus is looked for
    source = source_of(
        corpus, name, chunk_tokens=options.get("chunk_tokens"), chunk_overlap=options.get("chunk_overlap")
    )
    recipe = replace(decision.recipe, corpus=_called(corpus, name) or source.name)
    prompts = _prompts(decision, recipe, source.spec.family if source.spec else None)
    recipe = replace(recipe, prompts=tuple((task, prompt.sha256) for task, prompt in sorted(prompts.items())))
    marks = _marks(options.get("marks"), recipe.corpus)
    folder = run_folder(os.fspath(options.get("out", "runs")))
    with (
        opened_engine(options, folder / source.name) as engine,
        opened_models(recipe, options, engine) if prompts and ask else nullcontext(()) as models,
    ):
        yield Job(
            recipe=recipe,
            version=decision.version,
            source=source,
            folder=folder / source.name,
            prompts=prompts,
            model=next(iter(models), None),
            generators=tuple(models[1:]),
            home=home(),
            engine=engine,
            marks=marks,
            rights=options.get("rights"),
        )


def decide(corpus: str | None, options: BuildOptions) -> Decision:
    """The builder's decisions with the options in their place. Raises UsageError for options that contradict each other."""
    check_options(options, BuildOptions)
    builder = options.get("builder")
    decision = find_decision(corpus or "", None if builder is None else Path(builder))
    given: dict[str, Any] = {key: value for key, value in options.items() if key in get_type_hints(RecipeOptions)}
    for one, other in (("max_margin", "max_percent"), ("max_percent", "max_margin")):
        if given.get(one) is not None:
            given.setdefault(other, None)  # one that is given replaces the builder's other
    if bm25 := options.get("bm25"):
        given["bm25"] = bm25 if isinstance(bm25, BM25Settings) else decision.recipe.bm25.changed_by(bm25)
    if (extra := options.get("extra_body")) is not None:
        given["extra_body"] = _json_object(extra)
    if (model := given.get("model")) is not None and not isinstance(model, str):
        given["model"], *others = dict.fromkeys(model) or (None,)
        given["generators"] = tuple(others)
    if styles := options.get("query_styles"):
        given["query_styles"] = tuple((name, float(share)) for name, share in styles.items())
    if methods := options.get("methods"):
        given["methods"] = ordered(methods)
    if given.get("queries_from", decision.recipe.queries_from) == "qrels" != decision.recipe.queries_from:
        given.setdefault("queries", None)  # how many a builder has written is no limit of the judged ones
    recipe = replace(decision.recipe, **given)
    _check_recipe(recipe)
    prompts = {**decision.prompts, **{task: Path(file) for task, file in options.get("prompts", {}).items()}}
    return replace(decision, recipe=recipe, prompts=prompts)


def _json_object(given: Mapping[str, Any] | str) -> str:
    try:
        found = json.loads(given) if isinstance(given, str) else dict(given)
        if isinstance(found, dict):
            return canonical_json(found)
    except (ValueError, TypeError) as error:
        raise UsageError(f"extra_body is no JSON ({error})", do='give an object, e.g. {"top_k": 20}') from error
    raise UsageError("extra_body is no JSON object", do='give one, e.g. {"top_k": 20}')


def _check_recipe(recipe: Recipe) -> None:
    if recipe.language is not None and not re.fullmatch("[a-z]{2,3}", recipe.language):
        raise UsageError(f"language {recipe.language!r} is no code", do="give one of ISO 639-1, like en, de or zh")
    for style, share in recipe.query_styles:
        if not share > 0:
            raise UsageError(f"query style {style} has the share {share:g}", do="give one above 0, or leave it out")
    check_values(recipe)
    last = recipe.rank_max or recipe.depth
    if recipe.judge and JUDGES[recipe.judge].scores and recipe.max_percent is None and recipe.max_margin is None:
        raise UsageError(f"--judge {recipe.judge} has no limit to judge by", do="give --max-percent or --max-margin")
    if not recipe.methods:
        raise UsageError("no method is named", do=f"choose among {', '.join(METHODS)}")
    mined = any(not METHODS[method].written for method in recipe.methods)
    if mined and last - recipe.rank_min + 1 < recipe.negatives:
        raise UsageError(
            f"ranks {recipe.rank_min} to {last} hold fewer than {recipe.negatives} negatives",
            do="widen --depth, --rank-min and --rank-max, or lower --negatives",
        )


def _loads_models(recipe: Recipe) -> bool:
    """Whether a bi-encoder or a cross-encoder has a part in it."""
    kinds = [METHODS[name] for name in candidate_sources(recipe)]
    return bool(recipe.judge and JUDGES[recipe.judge].scores) or any(
        one.encodes or one.scores_positive for one in kinds
    )


def _called(corpus: CorpusLike | Documents, name: str | None) -> str | None:
    """What the corpus is called before it is looked for; None if only that will tell."""
    return name or (corpus if isinstance(corpus, str) and not Path(corpus).expanduser().exists() else None)


def _prompts(decision: Decision, recipe: Recipe, family: str | None) -> "dict[str, Prompt]":
    from hnhub.llm.prompts import families, find_prompt

    tasks = prompt_tasks(recipe)
    if unused := sorted(set(decision.prompts) - set(tasks)):
        raise UsageError(
            f"--prompt {unused[0]}: this build asks no model for that",
            do=f"its tasks are {', '.join(tasks) or 'none'}",
        )
    found = {}
    for task in tasks:
        name, _, style = task.partition(".")
        if style and task not in decision.prompts and style not in families(name):
            raise UsageError(
                f"there is no query style {style!r}",
                do=f"{meant(style, families(name))}, or give its prompt by --prompt {task}=FILE",
            )
        found[task] = find_prompt(name, style or family, decision.prompts.get(task))
    return found


def _marks(given: str | os.PathLike[str] | Marks | None, corpus: str) -> Marks | None:
    marks = given if isinstance(given, Marks | None) else read_marks(given)
    if marks and marks.corpus != corpus:
        raise UsageError(f"the marks are of the corpus {marks.corpus!r}, not of {corpus!r}", do="give the right file")
    return marks


def run_folder(out: str) -> Path:
    """Stages are made on a filesystem of this machine (or one that all nodes share); a URL gets the finished dataset."""
    if not is_url(out):
        return Path(out)
    check_url(out)
    return home() / "runs" / fingerprint({"out": out})[:16]


def _embedded() -> str:
    from hnhub.llm.embedded import MODEL

    return MODEL
