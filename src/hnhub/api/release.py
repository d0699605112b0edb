"""A release: many corpora built and published from one plan file, each to the end before the next begins.

    namespace = "acme"
    corpora = ["scifact", "nfcorpus"]
    methods = ["bm25", "ce"]              # default: what each builder says
    tag = "v1.0.0"                        # optional, as are the following
    collection = "Hard negatives"
    name = "{corpus}-hard-negatives"
    private = false
    gated = "auto"
    out = "runs"

    [build]                               # options of `hnhub.build`, for every corpus
    negatives = 5
    endpoint = ["http://127.0.0.1:8080"]

    [corpus.scifact]                      # and for one
    queries = 500

Both building and pushing find what is done already, so the same release given again goes on where it stopped.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from hnhub.api.build import BuildOptions, build, decide, run_folder
from hnhub.api.forecast import forecast_build
from hnhub.errors import HnhubError, InputError, ServiceError, UsageError
from hnhub.publish.hub import check_repo_name
from hnhub.publish.push import Pushed, Target, plan_folder_push, push
from hnhub.publish.push_plan import PushPlan, read_folder
from hnhub.text.options import check_options

__all__ = ["Item", "Outcome", "Release", "ReleaseForecast", "forecast_release", "read_release", "release", "summary"]


class _PlanOptions(BuildOptions, total=False):
    """What a table of options may hold."""

    corpus_dir: str


@dataclass(frozen=True)
class Release:
    """A plan file."""

    namespace: str
    corpora: list[str]
    methods: list[str] | None = None
    tag: str | None = None
    collection: str | None = None
    name: str = "{corpus}-hard-negatives"
    private: bool = False
    gated: str | None = None
    out: str = "runs"
    build: Mapping[str, Any] | None = None
    corpus: Mapping[str, Mapping[str, Any]] | None = None

    def items(self, endpoints: Sequence[str] = ()) -> list["Item"]:
        """What is to be built and published, in order; `endpoints` take the place of the plan's. Raises UsageError."""
        items = [self._item(corpus, endpoints) for corpus in self.corpora]
        first: dict[str, str] = {}
        for item in items:
            if (other := first.setdefault(item.target.repo.lower(), item.corpus)) != item.corpus:
                raise UsageError(
                    f"{other} and {item.corpus} would go to one repository, {item.target.repo}",
                    do="release them by two plans, with another `name`",
                )
        return items

    def _item(self, corpus: str, endpoints: Sequence[str]) -> "Item":
        options = {"out": self.out, **(self.build or {}), **(self.corpus or {}).get(corpus, {})}
        options |= {"methods": self.methods} if self.methods else {}
        options |= {"endpoint": list(endpoints)} if endpoints else {}
        folder = options.pop("corpus_dir", None)
        checked = cast("BuildOptions", options)  # by `decide`
        try:
            decide(corpus, checked)
        except UsageError as error:
            raise UsageError(f"{corpus}: {error.what}", do=error.do) from error
        slug = re.sub(r"[^\w.-]+", "-", corpus.rsplit("/", 1)[-1])
        repo = check_repo_name(f"{self.namespace}/{self.name.replace('{corpus}', slug)}")
        target = Target(repo, self.tag, self.collection, private=self.private, gated=self.gated)
        return Item(corpus, folder, checked, target)


@dataclass(frozen=True)
class Item:
    """One corpus of a release: what it is built from, and where the dataset goes."""

    corpus: str
    folder: str | None
    """The corpus's folder (`corpus_dir`), if it is not found by its name."""
    options: BuildOptions
    target: Target

    @property
    def source(self) -> tuple[str | Path, str | None]:
        """Corpus and name, as `hnhub.build` takes them."""
        return (self.corpus, None) if self.folder is None else (Path(self.folder).expanduser(), self.corpus)


@dataclass(frozen=True)
class Outcome:
    """How far an item came."""

    item: Item
    pushed: Pushed | None = None
    error: HnhubError | None = None


def read_release(path: Path) -> Release:
    """Read a plan file. Raises InputError for a bad file, an unknown key or a value of the wrong kind."""
    try:
        plan = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read ({error})", do="see `hnhub release --help`") from error
    try:
        check_options(plan, Release, where=f"{path}: ")
        for table, options in [("build", plan.get("build", {})), *plan.get("corpus", {}).items()]:
            check_options(options, _PlanOptions, where=f"{path}: [{table}] ")
    except UsageError as error:
        raise InputError(error.what, do=error.do) from error
    if missing := [key for key in ("namespace", "corpora") if not plan.get(key)]:
        raise InputError(f"{path}: {missing[0]} is missing", do="see `hnhub release --help`")
    if unused := sorted(set(plan.get("corpus", {})) - set(plan["corpora"])):
        raise InputError(f"{path}: [corpus.{unused[0]}] is not among corpora", do="add it there, or delete it")
    if len(set(plan["corpora"])) != len(plan["corpora"]) or "{corpus}" not in plan.get("name", "{corpus}"):
        raise InputError(
            f"{path}: two corpora would go to one repository", do="name each once, with {corpus} in `name`"
        )
    return Release(**plan)


def release(
    items: Sequence[Item],
    on_outcome: Callable[[Outcome], None] = lambda _: None,
    *,
    make: Callable[[Item], Path] | None = None,
    publish: Callable[[Path, Target], Pushed] | None = None,
) -> list[Outcome]:
    """Build and publish each item; one that fails is noted, and the next one is done."""
    outcomes = []
    for item in items:
        try:
            outcome = Outcome(item, (publish or _publish)((make or _built)(item), item.target))
        except HnhubError as error:
            outcome = Outcome(item, error=error)
        outcomes.append(outcome)
        on_outcome(outcome)
    return outcomes


@dataclass(frozen=True)
class ReleaseForecast:
    """What an item's turn would do: stages to build, or where all are there, what a push would change."""

    item: Item
    to_build: tuple[str, ...]
    push: PushPlan | None
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """At most."""
    note: str | None = None
    """What could not be looked at."""


def forecast_release(items: Sequence[Item]) -> list[ReleaseForecast]:
    """What a release would do; nothing is built or published. Raises as `hnhub.build` before any work."""
    found = []
    for item in items:
        corpus, name = item.source
        try:
            planned = forecast_build(corpus, name, item.options)
        except ServiceError as error:  # not the endpoint, but the Hub
            found.append(ReleaseForecast(item, (), None, note=error.what))
            continue
        steps = planned.steps
        left = tuple(step.stage for step in steps if step.state != "done")
        # Where every stage is there, the build makes nothing and only says where the dataset lies.
        plan = None if left else plan_folder_push(read_folder(_there(item)), item.target.repo)
        found.append(
            ReleaseForecast(
                item,
                left,
                plan,
                sum(step.requests or 0 for step in steps),
                sum(step.prompt_tokens or 0 for step in steps),
                sum(step.completion_tokens or 0 for step in steps),
                planned.unreached,
            )
        )
    return found


def _built(item: Item) -> Path:
    corpus, name = item.source
    return build(corpus, name=name, **item.options).folder


def _there(item: Item) -> Path:
    """Where a dataset lies that is built already; a URL in `out` gets nothing."""
    folder = run_folder(os.fspath(item.options.get("out", "runs")))
    return _built(replace(item, options={**item.options, "out": folder}))


def _publish(path: Path, target: Target) -> Pushed:
    return push(read_folder(path), target)


def summary(outcomes: list[Outcome]) -> str:
    """A table in Markdown: good for a terminal, and for a page of a workflow."""
    rows = [("corpus", "repository", "state", "commit", "tag", "loads verified"), ("---",) * 6]
    for outcome in outcomes:
        target, done = outcome.item.target, outcome.pushed
        if done is None:
            rows.append((outcome.item.corpus, target.repo, f"failed: {outcome.error}", "", "", ""))
        else:
            state = "published" if done.committed else "was published"
            loads = str(done.verified or "before")
            rows.append((outcome.item.corpus, done.repo, state, done.commit[:12], done.tag or "", loads))
    return "\n".join(f"| {' | '.join(cell.replace('|', ' ') for cell in row)} |" for row in rows)
