"""What a dataset was built from, as its manifest has it under `built`: enough to build it again, and to say what is different.

source    the corpus: the commit on the Hub, a hash of its files, or Python's version (`hnhub.corpus.load.Source.identity`)
models    the language models, the first doing everything but some of the queries
encoders  by stage: model, revision and dtype of a bi-encoder or a cross-encoder
prompts   by task: the prompt file's text
marks     what a person marked (docs/view.md); null where none were, or where no text is published
code      by kind of stage: the version of the code behind it
stages    by stage: one hash over its files; null for one that the user put there
versions  of hnhub, Python and the libraries that shape the bytes
"""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hnhub import __version__
from hnhub.errors import InputError
from hnhub.marks import Marks
from hnhub.records import JUDGES, METHODS, Recipe
from hnhub.stages import StageRecord, fingerprint
from hnhub.text.options import check_options

__all__ = ["Origin", "differences", "made_with", "origin_facts", "read_origin", "read_recipe"]

_SHAPING = ("numpy", "polars", "pyarrow", "numba", "PyStemmer", "py3langid", "jinja2", "matplotlib")
_ENCODING = ("torch", "transformers", "sentence-transformers")
_EMBEDDED = ("xllamacpp",)


@dataclass(frozen=True)
class Origin:
    """What a dataset was built from."""

    recipe: Recipe
    version: str
    """Of the dataset, as its builder has it."""
    rights: str | None
    source: Mapping[str, Any]
    models: Sequence[Mapping[str, str | None]]
    encoders: Mapping[str, Mapping[str, str]]
    prompts: Mapping[str, str]
    marks: Mapping[str, Any] | None
    marked: bool
    code: Mapping[str, int]
    stages: Mapping[str, str | None]
    versions: Mapping[str, str]


def made_with(
    *,
    models: Sequence[Mapping[str, str | None]],
    code: Mapping[str, int],
    stages: Mapping[str, str | None],
    marks: Marks | None,
    publishes_text: bool,
) -> dict[str, Any]:
    """What the pipeline knows of a build; `origin_facts` adds the rest."""
    # A mark quotes what a model wrote, and its note may quote the corpus.
    told = marks.as_dict() if marks and publishes_text else None
    return {
        "models": list(models),
        "code": dict(code),
        "stages": dict(stages),
        "marks": told,
        "marked": marks is not None,
    }


def origin_facts(
    known: Mapping[str, Any],
    *,
    recipe: Recipe,
    stage_facts: Mapping[str, Mapping[str, Any]],
    prompts: Mapping[str, str],
    rights: str | None,
) -> dict[str, Any]:
    """The manifest's `built`, as plain data."""
    source = stage_facts["corpus"].get("source")
    if source and "files" in source:
        source = {**source, "files": fingerprint(source["files"])}
    return {
        **known,
        "source": source,
        "encoders": {
            stage: {name: facts[name] for name in ("model", "revision", "dtype")}
            for stage, facts in stage_facts.items()
            if {"model", "revision", "dtype"} <= set(facts)
        },
        "prompts": dict(prompts),
        "rights": rights,
        "versions": _versions(recipe),
    }


def read_origin(record: StageRecord, where: str) -> Origin:
    """What a manifest says of its build. Raises InputError if it says nothing, or what makes no sense."""
    built = record.facts.get("built")
    if not isinstance(built, dict) or not isinstance(built.get("source"), dict):
        raise InputError(
            f"{where}: its manifest does not say what it was built from",
            do="build it again with hnhub build (a recut, an export or an older hnhub writes no such thing)",
        )
    try:
        recipe = read_recipe(record, where)
        known = {field.name for field in fields(Origin)} - {"recipe", "version"}
        return Origin(
            recipe=recipe,
            version=str(record.facts["version"]),
            **{name: built[name] for name in known},
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{where}: its manifest lacks {error}", do="build it again with hnhub build") from error


def read_recipe(record: StageRecord, where: str) -> Recipe:
    """The recipe in a manifest, which is called `where` in errors. Raises InputError if it lacks one, or has one of another shape, UsageError for a wrong value."""
    try:
        recipe = Recipe.of(record.facts["recipe"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{where}: its recipe is missing or can't be read ({error})", do="build or pull the dataset again"
        ) from error
    check_options(vars(recipe), Recipe, where=f"{where}: recipe: ")
    return recipe


def differences(published: Origin, here: Origin) -> list[str]:
    """What is not the same of two builds, a line each: what each was made by and from."""
    found = [*_changed("", published.versions, here.versions)]
    found += _changed("code of ", published.code, here.code)
    found += _changed("corpus ", _flat(published.source), _flat(here.source))
    found += _changed("encoder of ", _flat(published.encoders), _flat(here.encoders))
    models = [{str(at): _named(one) for at, one in enumerate(side.models)} for side in (published, here)]
    found += _changed("language model ", *models)
    found += _changed("recipe ", asdict(published.recipe), asdict(here.recipe))
    return found


def _named(model: Mapping[str, str | None]) -> str:
    return " ".join(str(value) for value in model.values() if value is not None)


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        found |= _flat(value, f"{above}{name} ") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return found


def _changed(what: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*one, *other]):
        before, now = (str(side[name]) if name in side else "none" for side in (one, other))
        if before != now:
            yield f"{what}{name}: {before} there, {now} here"


def _versions(recipe: Recipe) -> dict[str, str]:
    encodes = (recipe.judge is not None and JUDGES[recipe.judge].scores) or any(
        METHODS[method].encodes or METHODS[method].scores_positive or "dense" in METHODS[method].sources
        for method in recipe.methods
    )
    embedded = encodes and recipe.cross_encoder == "local"
    names = [*_SHAPING, *(_ENCODING if encodes else ()), *(_EMBEDDED if embedded else ())]
    found = {"hnhub": __version__, "Python": platform.python_version(), "machine": platform.machine()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
