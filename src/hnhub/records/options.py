"""How a decision of a recipe is asked for. It is said once, beside the field, for the command line, its help and the checks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from hnhub.errors import UsageError

__all__ = ["Heading", "Option", "check_values", "option", "options_of"]

Heading = Literal["Common", "Corpus", "Queries", "Negatives", "Language model"]
"""The groups of --help that a decision may stand in."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """Of one field; the type is the field's own."""

    heading: Heading
    help: str
    metavar: str | None = None
    least: float | None = None
    above: float | None = None
    most: float | None = None
    off: str | int | None = None
    """What the command line says for None."""
    bare: int | None = None
    """What the option says without a value."""


def option(default: object, heading: Heading, help: str, **about: Any) -> Any:  # noqa: A002 - as click calls it
    """A dataclass field with its `Option`."""
    return field(default=default, metadata={"option": Option(heading=heading, help=help, **about)})


def options_of(kind: type) -> Mapping[str, Option]:
    """By name, the fields of a dataclass that are options, in order."""
    return {one.name: one.metadata["option"] for one in fields(kind) if "option" in one.metadata}


def check_values(recipe: object) -> None:
    """Raise UsageError for a number out of its option's range, or for none."""
    for name, about in options_of(type(recipe)).items():
        value = getattr(recipe, name)
        if not isinstance(value, int | float):
            continue
        if not math.isfinite(value):
            raise UsageError(f"{name} = {value:g} makes no sense", do="give a number")
        if about.most is not None and value > about.most:
            raise UsageError(f"{name} = {value:g} makes no sense", do=f"give {about.most:g} at most")
        if about.least is not None and value < about.least:
            raise UsageError(f"{name} = {value:g} makes no sense", do=f"give {about.least:g} or more")
        if about.above is not None and value <= about.above:
            raise UsageError(f"{name} = {value:g} makes no sense", do=f"give more than {about.above:g}")
