"""Finding a dataset's builder module: `builders/<corpus>.py`, or a file of the user's own."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from hnhub.errors import InputError, UsageError
from hnhub.records import METHODS, PAPER_METHODS, Recipe
from hnhub.text.options import check_options

__all__ = ["Decision", "find_decision", "ordered"]

# In a wheel the builders lie inside the package, in a checkout beside src/.
_FOLDERS = (Path(__file__).parents[1] / "builders", Path(__file__).parents[3] / "builders")


@dataclass(frozen=True)
class Decision:
    """What a builder module decides: the version of the dataset, how it is made, and prompts of its own."""

    version: str
    recipe: Recipe
    prompts: Mapping[str, Path]
    """Prompt files by task, in place of the shipped ones."""


def find_decision(corpus: str, file: Path | None = None) -> Decision:
    """The decision for a corpus: from `file` if given, else the shipped one, else the defaults at version 0.0.0.

    A family's builder serves each of its corpora: `builders/cqadupstack.py` that of `cqadupstack-android`. Raises
    InputError if the module can't be run or holds no VERSION (str) and RECIPE (Recipe) for this corpus.
    """
    path = file or _shipped(corpus)
    if path is None:
        return Decision("0.0.0", Recipe(corpus=corpus), {})
    module = _run(path)
    version, recipe = getattr(module, "VERSION", None), getattr(module, "RECIPE", None)
    if not isinstance(version, str) or not isinstance(recipe, Recipe):
        raise InputError(
            f"{path}: holds no VERSION (a string) and RECIPE (an hnhub.records.Recipe)",
            do="define both; docs/adding.md shows one",
        )
    try:
        check_options(vars(recipe), Recipe, where=f"{path}: ")
    except UsageError as error:
        raise InputError(error.what, do=error.do) from error
    if recipe.corpus not in (corpus, corpus.rpartition("-")[0]):
        raise InputError(f"{path}: its recipe is for {recipe.corpus!r}, not for {corpus!r}", do="name the right corpus")
    prompts = {task: path.parent / name for task, name in getattr(module, "PROMPTS", {}).items()}
    return Decision(version, replace(recipe, corpus=corpus, methods=ordered(recipe.methods)), prompts)


def ordered(methods: Sequence[str]) -> tuple[str, ...]:
    """The methods in published order, each once; `all` is the paper's three. Raises UsageError for an unknown one."""
    wanted = {name for method in methods for name in (PAPER_METHODS if method == "all" else (method,))}
    if unknown := sorted(wanted - set(METHODS)):
        raise UsageError(f"{unknown[0]!r} is no method", do=f"choose among {', '.join(METHODS)} and all")
    return tuple(method for method in METHODS if method in wanted)


def _shipped(corpus: str) -> Path | None:
    names = [name.replace("-", "_") for name in (corpus, corpus.rpartition("-")[0]) if name]
    paths = [folder / f"{name}.py" for name in names for folder in _FOLDERS]
    return next((path for path in paths if path.is_file()), None)


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"{path}: no such file", do="give --builder a Python file")
    spec = importlib.util.spec_from_file_location("hnhub_builder", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: is no Python file", do="give --builder a .py file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{path}: {type(error).__name__}: {error}", do="mend the builder file") from error
    return module
