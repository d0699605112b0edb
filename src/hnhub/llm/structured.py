"""JSON answers: read tolerantly, checked against the schema, asked again a bounded number of times."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hnhub.llm.types import Request
from hnhub.llm.wire_json import cleaned

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

__all__ = ["ASKS", "another_ask", "read"]

ASKS = 3
"""How often one request is asked at most."""


def another_ask(request: Request, ask: int) -> Request:
    """The same request for the `ask`-th time (0 is the request itself): another seed, and never greedy."""
    if ask == 0:
        return request
    seed = int.from_bytes(hashlib.sha256(f"{request.seed}/{ask}".encode()).digest()[:4], "big") >> 1
    return replace(request, seed=seed, temperature=max(request.temperature, 0.3))


def read(text: str, schema: str) -> tuple[Any, str | None]:
    """The value in an answer and None, or None and what is wrong with it.

    Takes the first JSON value that fits the schema, whatever stands around it (prose, code fences); what is nearly JSON
    (single quotes, trailing commas) is repaired, but nothing that was cut off.
    """
    wrong = "not JSON"
    for value in _values(text):
        problem = _problem(value, schema)
        if problem is None:
            return cleaned(value), None
        wrong = problem
    return None, wrong


def _values(text: str) -> Iterator[Any]:
    """Every JSON object in a text; then, of what is nearly one, the repaired."""
    decoder = json.JSONDecoder(strict=False)
    first = position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
            yield value
        except RecursionError:
            return
        except ValueError:
            end = position + 1
        position = text.find("{", end)
    while first >= 0 and (end := text.rfind("}") + 1) > first:
        if isinstance(value := _repaired(text[first:end]), dict):
            yield value
        first = text.find("{", first + 1)


def _repaired(text: str) -> Any:
    from json_repair import loads

    try:
        return loads(text, skip_json_loads=True)
    except (ValueError, TypeError, IndexError, RecursionError):
        return None


@lru_cache(64)
def _validator(schema: str) -> "Validator":
    from jsonschema.validators import validator_for

    parsed = json.loads(schema)
    return validator_for(parsed)(parsed)


def _problem(value: Any, schema: str) -> str | None:
    """What breaks the schema, or None. Without the value itself: the text is published."""
    from jsonschema.exceptions import best_match

    try:
        error = best_match(_validator(schema).iter_errors(value))
    except RecursionError:
        return "nested too deep"
    return None if error is None else f"answer{error.json_path[1:]} breaks the schema's {error.validator}"
