"""JSON answers: read tolerantly, checked against the schema, asked again a bounded number of times."""

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from hnhub.llm.types import Request
from hnhub.llm.wire_json import cleaned

__all__ = ["ASKS", "another_ask", "read"]

ASKS = 3
"""How often one request is asked at most."""

_THINKING = re.compile(r"<think>.*?</think>", re.DOTALL)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def another_ask(request: Request, ask: int) -> Request:
    """The same request for the `ask`-th time (0 is the request itself): another seed, and never greedy."""
    if ask == 0:
        return request
    seed = int.from_bytes(hashlib.sha256(f"{request.seed}/{ask}".encode()).digest()[:4], "big") >> 1
    return replace(request, seed=seed, temperature=max(request.temperature, 0.3))


def read(text: str, schema: str) -> tuple[Any, str | None]:
    """The value in an answer and None, or None and what is wrong with it.

    Takes the first JSON value that fits the schema, whatever stands around it (prose, code fences, a thinking block);
    single quotes and trailing commas are forgiven.
    """
    wanted = _parsed(schema)
    wrong = "not JSON"
    for value in _values(_THINKING.sub("", text)):
        problem = _problem(value, wanted, "answer")
        if problem is None:
            return cleaned(value), None
        wrong = problem
    return None, wrong


@lru_cache(64)
def _parsed(schema: str) -> Mapping[str, Any]:
    return dict(json.loads(schema))


def _values(text: str) -> list[Any]:
    decoder = json.JSONDecoder(strict=False)
    found: list[Any] = []
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
            found.append(value)
        except RecursionError:
            return found
        except ValueError:
            end = position + 1
            if (value := _forgiven(text[position:])) is not None:
                found.append(value)
        position = text.find("{", end)
    return found


def _forgiven(text: str) -> Any:
    end = text.rfind("}")
    if end < 0:
        return None
    candidate = _TRAILING_COMMA.sub(r"\1", text[: end + 1])
    try:
        return json.loads(candidate, strict=False)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(candidate)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _problem(value: Any, schema: Mapping[str, Any], where: str) -> str | None:
    """What breaks the schema, or None. Keywords that prompts have no use for are not looked at."""
    wanted = schema.get("type")
    if wanted is not None and (
        not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted in ("integer", "number"))
    ):
        return f"{where} is not of type {wanted}"
    problem = None
    if "enum" in schema and value not in schema["enum"]:
        problem = f"{where} is not one of {schema['enum']}"
    elif isinstance(value, dict):
        problem = _problem_of_members(value, schema, where)
    elif isinstance(value, str | list):
        problem = _out_of_bounds(len(value), schema, where, "Length" if isinstance(value, str) else "Items")
        for i, item in enumerate(value if isinstance(value, list) and "items" in schema else ()):
            problem = problem or _problem(item, schema["items"], f"{where}[{i}]")
    elif isinstance(value, int | float):
        problem = _out_of_bounds(value, schema, where, "imum")
    return problem


def _out_of_bounds(size: float, schema: Mapping[str, Any], where: str, what: str) -> str | None:
    if size < schema.get(f"min{what}", size) or size > schema.get(f"max{what}", size):
        return f"{where} is out of the schema's bounds ({size})"
    return None


def _problem_of_members(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> str | None:
    members = schema.get("properties", {})
    if lacking := [name for name in schema.get("required", ()) if name not in value]:
        return f"{where} lacks {lacking[0]}"
    if schema.get("additionalProperties") is False and (extra := sorted(set(value) - set(members))):
        return f"{where} has {extra[0]} too much"
    problems = (_problem(item, members[name], f"{where}.{name}") for name, item in value.items() if name in members)
    return next((problem for problem in problems if problem), None)
