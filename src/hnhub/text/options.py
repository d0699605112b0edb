"""Options that are given by name, from Python or from a plan file, looked at before anything runs."""

import os
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hnhub.errors import UsageError
from hnhub.text.names import meant

__all__ = ["check_options"]


def check_options(given: Mapping[str, object], kind: type, *, where: str = "") -> None:
    """Raise UsageError for a name that the TypedDict or dataclass `kind` doesn't have, or a value of another type.

    `where` stands before the message, e.g. `plan.toml: [build]: `.
    """
    hints = get_type_hints(kind)
    for name, value in given.items():
        if name not in hints:
            raise UsageError(f"{where}there is no option {name!r}", do=meant(name, hints))
        if not _fits(value, hints[name]):
            choices = _choices(hints[name])
            if choices and isinstance(value, str):
                raise UsageError(f"{where}{name} = {value!r} is none of its values", do=meant(value, choices))
            raise UsageError(f"{where}{name} = {value!r} is of the wrong kind", do=f"give {_words(hints[name])}")


def _fits(value: object, hint: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin in (tuple, Sequence):
        return isinstance(value, Sequence) and not isinstance(value, str) and _each_fits(value, origin, parts)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(one, parts[1]) for one in value.values())
    if hint is Any or isinstance(value, bool):
        return hint in (Any, bool)
    return isinstance(value, int | float if hint is float else origin or hint)


def _each_fits(values: Sequence[object], origin: Any, parts: tuple[Any, ...]) -> bool:
    wanted = parts if origin is tuple and parts[-1] is not Ellipsis else parts[:1] * len(values)
    return len(values) == len(wanted) and all(map(_fits, values, wanted))


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(one) for one in get_args(hint)]
    return [choice for part in get_args(hint) for choice in _choices(part)]


def _words(hint: Any) -> str:
    """A type in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_words(part) for part in parts))
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is tuple and parts[-1] is not Ellipsis:
        return f"a list of {len(parts)}: {', '.join(map(_words, parts))}"
    if origin in (tuple, Sequence):
        return f"a list ({_words(parts[0])} each)"
    if origin is Mapping:
        return "a table"
    known = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", NoneType: "nothing"}
    return known.get(hint, "a path" if (origin or hint) is os.PathLike else f"a {getattr(hint, '__name__', hint)}")
