"""`hnhub.recut`: another selection of negatives from a dataset's scored candidates, without mining again."""

import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import polars as pl

from hnhub.api.runs import Run, dataset_name
from hnhub.errors import InputError, UsageError
from hnhub.negatives.recut import UNDONE
from hnhub.negatives.recut import recut as decide
from hnhub.publish.facts import remeasured
from hnhub.publish.finish import write_card
from hnhub.publish.origin import read_recipe
from hnhub.publish.pull import opened
from hnhub.publish.push_plan import MANIFEST
from hnhub.records import METHODS, Recipe, check_values
from hnhub.rows.facts import read_facts
from hnhub.rows.rewrite import rewrite_method
from hnhub.stages import check_own, read_record, run_stage
from hnhub.text.options import check_options

__all__ = ["RecutOptions", "Score", "recut"]

Score = Literal["score", "bm25_score", "dense_score", "ce_score"]


class RecutOptions(TypedDict, total=False):
    """What may be decided anew; `hnhub.Recipe` says each one's meaning. What is not given stays as it was built."""

    negatives: int
    positives: int | None
    max_percent: float | None
    max_margin: float | None
    sampling: Literal["top", "random", "weighted", "stratified"]
    rank_min: int
    rank_max: int | None
    on_shortfall: Literal["drop", "keep", "fail"]
    seed: int
    by: Score
    """The score that cut and sampling go by: the method's own, or what a scorer of the same build gave."""


def recut(data: Run | str | os.PathLike[str], *, out: str | os.PathLike[str], **options: Unpack[RecutOptions]) -> Run:
    """Choose other negatives from the `<method>-scored` configs of a dataset (a run, a folder, `REPO[@REVISION]`), into `out`.

    Every method of the dataset is chosen anew by its published scores: the cut (which, if it is given, applies to any scores),
    the rank window, the sampling, the number. `by` takes another scorer's score in place of the method's own, as `ce_score` for
    BM25's candidates. Guard and judge stand as they were. What is written is a dataset like any other, with
    card, ledger and manifest, to train on or to push.

    Raises UsageError without an option, for a wrong one or an `out` that holds something else, InputError for a dataset without texts or that scorer's scores, RuleBroken for a shortfall
    with `on_shortfall="fail"`.

    >>> import hnhub
    >>> again = hnhub.recut("runs/tiny", out="runs/tiny-one", negatives=1)
    >>> again.dataset("bm25", split="train").column_names
    ['query', 'positive', 'negative_1']
    >>> again.validate()
    []
    """
    check_options(options, RecutOptions)
    if not options:
        raise UsageError("nothing to decide anew", do="give a number of negatives, a cut, a sampling or a window")
    check_own(Path(out), record_name=MANIFEST)
    with opened(dataset_name(data)) as source:
        if Path(out).resolve() == source.resolve():
            raise UsageError(f"{out}: is the dataset itself", do="give another --out")
        record = read_record(source / MANIFEST)
        recipe = read_recipe(record, str(source / MANIFEST))
        if "max_margin" in options and "max_percent" not in options:
            recipe = replace(recipe, max_percent=None)  # one limit in place of the other, as in a build
        by: Score = options.get("by", "score")
        given: dict[str, Any] = {name: value for name, value in options.items() if name != "by"}
        recipe = replace(recipe, **given)
        check_values(recipe)
        facts = read_facts(source)
        if not facts["publishes_text"]:
            raise InputError(f"{source}: publishes no texts", do="build again with the options that you want")
        _check_scores(source, by)
        cut_all = bool({"max_percent", "max_margin"} & set(options))
        version = record.facts.get("version")
        make = partial(_make, source=source, facts=facts, recipe=recipe, version=version, by=by, cut_all=cut_all)
        parts = {"recut": record.fingerprint, "content": record.content, "options": dict(options)}
        run_stage(Path(out), parts, make, record_name=MANIFEST)
    return Run(Path(out))


def _make(
    out: Path,
    _: Path,
    *,
    source: Path,
    facts: dict[str, Any],
    recipe: Recipe,
    version: str | None,
    by: Score,
    cut_all: bool,
) -> dict[str, Any]:
    shutil.copytree(source / "data" / "queries", out / "data" / "queries")
    shutil.copytree(source / "ledger", out / "ledger")
    for method in METHODS:
        if (source / "data" / f"{method}-scored").is_dir():
            column = "score" if METHODS[method].written else by  # no scorer has seen what was written
            cut = cut_all or METHODS[method].scores_positive or column == "ce_score"
            own = recipe if cut else replace(recipe, max_percent=None, max_margin=None)
            anew = partial(decide, method=method, recipe=own, by=column)
            rewrite_method(source, out, method, recipe=recipe, decide=anew, undone=UNDONE)
    found = {**remeasured(out, facts, recipe), **({} if by == "score" else {"chosen_by": by})}
    write_card(out, found)
    return {"corpus": recipe.corpus, "version": version, "recipe": found["recipe"]}


def _check_scores(source: Path, by: Score) -> None:
    if by == "score":
        return
    for method in (name for name in METHODS if not METHODS[name].written):
        for path in sorted(source.glob(f"data/{method}-scored/*.parquet")):
            if by not in pl.read_parquet_schema(path) or not pl.read_parquet(path, columns=[str(by)])[by].count():
                raise InputError(
                    f"{source}: {method}-scored has no {by}",
                    do=f"build {method} and {by.removesuffix('_score')} together",
                )
