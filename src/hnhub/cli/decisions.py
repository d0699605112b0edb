"""The decisions of a recipe as options of the command line, made of what `Recipe` says of its fields."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click

from hnhub.cli.help import Choice
from hnhub.records import Recipe
from hnhub.records.options import Option, options_of

__all__ = ["ASKED", "DECISIONS"]


class _NumberOrWord(click.IntRange):
    """A whole number, or a word that means None."""

    def __init__(self, word: str, least: int | None) -> None:
        super().__init__(least)
        self.word = word

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Click's number, or the word."""
        try:
            return value if value == self.word else super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no number of {self.min} or more, and not {self.word!r}", param, ctx)


def _type(hint: Any, about: Option) -> "click.ParamType[Any]":
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    words = [word for part in parts if get_origin(part) is Literal for word in get_args(part)]
    if words:
        return Choice([*words, about.off] if isinstance(about.off, str) else words)
    if float in parts:
        least = about.least if about.above is None else about.above
        return click.FloatRange(least, about.most, min_open=about.above is not None)
    if int not in parts:
        return click.STRING
    least = None if about.least is None else int(about.least)
    if isinstance(about.off, str):
        return _NumberOrWord(about.off, least)
    if least is None:
        return click.INT
    return click.IntRange(least if about.off is None else about.off, None if about.most is None else int(about.most))


def _of_recipe(name: str, hint: Any, about: Option) -> click.Option:
    bare: dict[str, Any] = {} if about.bare is None else {"is_flag": False, "flag_value": about.bare}
    flag = f"--{name.replace('_', '-')}"
    return click.Option([flag], type=_type(hint, about), metavar=about.metavar, help=about.help, **bare)


ASKED = options_of(Recipe)
"""By field."""
_HINTS = get_type_hints(Recipe)
DECISIONS: Mapping[str, click.Option] = {name: _of_recipe(name, _HINTS[name], about) for name, about in ASKED.items()}
"""By field, as click has them."""
