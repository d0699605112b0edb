"""The plan of a comparison: a TOML file, checked as a whole before anything runs. Its form: docs/learn.md."""

import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hnhub.errors import InputError, UsageError
from hnhub.learn.metrics import check_measures
from hnhub.learn.options import check_heeded, settings_for
from hnhub.learn.statistics import check_margin
from hnhub.text.options import check_options

__all__ = ["Plan", "PlannedCorpus", "Variant", "check_plan", "read_plan"]


@dataclass(frozen=True, kw_only=True)
class PlannedCorpus:
    """What is evaluated on. `folder`: a local copy, as --corpus-dir."""

    split: str = "test"
    folder: str | None = None


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What is compared: a model trained on `dataset`, an existing run, BM25, or (with none of them) the model itself."""

    dataset: str | None = None
    """Hub id or folder; `{corpus}` becomes each corpus's name, else one training serves every corpus."""
    config: str | None = None
    revision: str | None = None
    run: str | None = None
    """`bm25`, or a TREC run file (with `{corpus}`)."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """Training settings of this variant, over the plan's."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Variants x models x corpora x seeds, and how they are judged."""

    corpora: Mapping[str, PlannedCorpus]
    models: Mapping[str, str]
    """Short name -> sentence-transformers id or folder."""
    variants: Mapping[str, Variant]
    baseline: str
    """The variant that every other is compared with; the trained ones are also compared with each other."""
    seeds: tuple[int, ...] = (0,)
    measures: tuple[str, ...] = ("nDCG@10", "P@10", "Recall@100")
    margin: float = 0.01
    alpha: float = 0.05
    test: Literal["randomisation", "t"] = "randomisation"
    rows: int | None = None
    """Train on at most this many rows."""
    held_out_share: float = 0.05
    on_leak: Literal["fail", "drop"] = "fail"
    max_length: int | None = None
    """Tokens of a text, in evaluation."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """Training settings (`hnhub.learn.options.TrainSettings`)."""


def read_plan(path: Path) -> Plan:
    """Read a plan. Raises InputError, naming the key, for one that is unknown, missing or of the wrong kind."""
    if not path.exists():
        raise InputError(f"no such file: {path}", do="see docs/learn.md for the form of a plan")
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: can't be read as TOML ({error})", do="see docs/learn.md for the form of a plan"
        ) from error
    for key in ("corpora", "models", "variants", "baseline"):
        if not text.get(key):
            raise InputError(f"{path}: lacks {key!r}", do="see docs/learn.md for the form of a plan")
    for key, kind in (("corpora", PlannedCorpus), ("variants", Variant)):
        if not isinstance(text[key], dict):
            raise InputError(f"{path}: {key} is no table", do=f"write [{key}.NAME], see docs/learn.md")
        text[key] = {name: _made(kind, value, f"{path}, {key}.{name}") for name, value in text[key].items()}
    plan: Plan = _made(Plan, text, str(path))
    _check(path, plan)
    return plan


def _made(kind: type, values: Any, place: str) -> Any:
    if not isinstance(values, dict):
        raise InputError(f"{place}: is not a table", do="see docs/learn.md for the form of a plan")
    try:
        check_options(values, kind, where=f"{place}: ")
    except UsageError as error:
        raise InputError(error.what, do=error.do) from error
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def _check(path: Path, plan: Plan) -> None:
    if plan.baseline not in plan.variants:
        raise InputError(
            f"{path}: baseline {plan.baseline!r} is no variant", do=f"use one of: {', '.join(plan.variants)}"
        )
    for name, variant in plan.variants.items():
        if variant.dataset and (variant.run or not variant.config):
            raise InputError(f"{path}, variants.{name}: a dataset needs a config, and no run", do="correct the variant")
    if not plan.seeds or len(set(plan.seeds)) != len(plan.seeds):
        raise InputError(
            f"{path}: seeds {list(plan.seeds)} must be given, each once", do="write e.g. seeds = [0, 1, 2]"
        )
    try:
        check_plan(plan)
    except UsageError as error:
        raise InputError(f"{path}: {error.what}", do=error.do) from error


def check_plan(plan: Plan) -> None:
    """Raise UsageError for what would show only when some of it is trained: a measure, a margin, a setting of a training."""
    check_measures(plan.measures)
    if not plan.measures:
        raise UsageError("no measure is named", do='write e.g. measures = ["nDCG@10"]')
    for name in (*plan.models, *plan.variants):  # each is a folder of its own
        if name in ("", ".", "..") or "/" in name:
            raise UsageError(f"{name!r} can't name a model or a variant", do="give one without a slash")
    check_margin(plan.margin)
    if not 0 < plan.alpha < 1:
        raise UsageError(f"alpha {plan.alpha:g} is no level of a test", do="give, say, 0.05")
    trainings = []
    for source, (name, variant) in itertools.product(plan.models.values(), plan.variants.items()):
        given = {**plan.train, **variant.train}
        if "seed" in given:
            raise UsageError("train: a training's seed is one of seeds", do="write e.g. seeds = [0, 1, 2]")
        if variant.dataset:
            try:
                trainings.append(settings_for(source, **given))
                check_heeded(variant.train, trainings[-1])
            except UsageError as error:
                raise UsageError(f"variants.{name}: {error.what}", do=error.do) from error
    if trainings:  # what is set for all may be for some
        check_heeded(plan.train, *trainings)
