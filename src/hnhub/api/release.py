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

    [build]                               # options of `hnhub build`, for every corpus
    negatives = 5
    endpoint = ["http://127.0.0.1:8080"]

    [corpus.scifact]                      # and for one
    queries = 500

Both building and pushing find what is done already, so the same release given again goes on where it stopped.
"""

import json
import logging
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hnhub.errors import HnhubError, InputError, LimitReached, RuleBroken, ServiceError, UsageError
from hnhub.publish.hub import check_repo_name
from hnhub.publish.push import Pushed, Target

__all__ = ["Item", "Outcome", "Release", "build_dataset", "read_plan", "run_release", "summary"]

log = logging.getLogger(__name__)

_Scalar = str | int | float | bool
_Options = Mapping[str, _Scalar | list[_Scalar]]


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
    build: _Options | None = None
    corpus: Mapping[str, _Options] | None = None

    def items(self, endpoints: Sequence[str] = ()) -> list["Item"]:
        """What is to be built and published, in order; `endpoints` take the place of the plan's."""
        return [self._item(corpus, list(endpoints)) for corpus in self.corpora]

    def _item(self, corpus: str, endpoints: list["_Scalar"]) -> "Item":
        options = {**(self.build or {}), **(self.corpus or {}).get(corpus, {})}
        options |= {"endpoint": endpoints} if endpoints else {}
        words = [corpus, "--out", self.out]
        for method in self.methods or ():
            words += ["--method", method]
        for key, value in options.items():
            flag = f"--{key.replace('_', '-')}"
            for one in value if isinstance(value, list) else [value]:
                words += [flag] if one is True else [] if one is False else [flag, str(one)]
        slug = re.sub(r"[^\w.-]+", "-", corpus.rsplit("/", 1)[-1])
        repo = check_repo_name(f"{self.namespace}/{self.name.format(corpus=slug)}")
        target = Target(repo, self.tag, self.collection, private=self.private, gated=self.gated)
        return Item(corpus, tuple(words), target)


@dataclass(frozen=True)
class Item:
    """One corpus of a release: the words after `hnhub build`, and where the dataset goes."""

    corpus: str
    build: tuple[str, ...]
    target: Target


@dataclass(frozen=True)
class Outcome:
    """How far an item came."""

    item: Item
    pushed: Pushed | None = None
    error: HnhubError | None = None


def read_plan(path: Path) -> Release:
    """Read a plan file. Raises InputError for a bad file, an unknown key or a value of the wrong kind."""
    try:
        plan = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read ({error})", do="see `hnhub release --help`") from error
    known = {field.name for field in fields(Release)}
    kinds: dict[str, type | tuple[type, ...]] = {
        "corpora": list, "methods": list, "private": bool, "build": dict, "corpus": dict,
    }  # fmt: skip
    for key, value in plan.items():
        if key not in known:
            raise InputError(f"{path}: unknown key {key!r}", do=f"known are {', '.join(sorted(known))}")
        if not isinstance(value, kinds.get(key, str)) or (isinstance(value, list) and not all(map(_is_text, value))):
            raise InputError(f"{path}: {key} = {value!r} is of the wrong kind", do="see `hnhub release --help`")
    if missing := [key for key in ("namespace", "corpora") if not plan.get(key)]:
        raise InputError(f"{path}: {missing[0]} is missing", do="see `hnhub release --help`")
    if unused := sorted(set(plan.get("corpus", {})) - set(plan["corpora"])):
        raise InputError(f"{path}: [corpus.{unused[0]}] is not among corpora", do="add it there, or delete it")
    if len(set(plan["corpora"])) != len(plan["corpora"]) or "{corpus}" not in plan.get("name", "{corpus}"):
        raise InputError(
            f"{path}: two corpora would go to one repository", do="name each once, with {corpus} in `name`"
        )
    return Release(**plan)


def run_release(
    items: list[Item],
    build: Callable[[Item], Path],
    publish: Callable[[Path, Item], Pushed],
    on_outcome: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Build and publish each item; one that fails is noted, and the next one is done."""
    outcomes = []
    for item in items:
        try:
            outcome = Outcome(item, publish(build(item), item))
        except HnhubError as error:
            outcome = Outcome(item, error=error)
        outcomes.append(outcome)
        on_outcome(outcome)
    return outcomes


def build_dataset(item: Item) -> Path:
    """Run `hnhub build` in a process of its own, so that models and memory go with it; the dataset's folder.

    Its progress goes to standard error. Raises what its exit code stands for.
    """
    command = [sys.executable, "-m", "hnhub", "build", *item.build, "--json"]
    words = " ".join(re.sub(r"//[^/\s]*@", "//", word) for word in item.build)  # an endpoint may hold a password
    log.info("hnhub build %s", words)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return Path(json.loads(done.stdout)["dataset"])
    if done.returncode in (130, -2):
        raise KeyboardInterrupt
    kinds = {1: RuleBroken, 3: ServiceError, 4: LimitReached}
    raise kinds.get(done.returncode, UsageError)(
        f"{item.corpus}: the build ended with status {done.returncode}",
        do=f"its last line says why; alone: hnhub build {words}",
    )


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


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
