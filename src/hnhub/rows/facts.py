"""stats.json, as those read it who did not write it: the measured facts of a dataset, looked at before they are used."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hnhub.errors import InputError

__all__ = ["read_facts"]

_SHAPE: Mapping[str, Any] = {
    "hnhub": str,
    "name": str,
    "version": str,
    "corpus": {"name": str, "title": str, "licence": str},
    "publishes_text": bool,
    "methods": list,
    "recipe": {"negatives": int},
    "files": {"queries": dict},
    "stats": {"rows": dict, "drops": list},
    "left_out": list,
}
"""What page, audit, card and exports take for granted."""


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts of the dataset in `folder`. Raises InputError if its stats.json can't be read or lacks what every dataset has."""
    path = folder / "stats.json"
    again = f"build {folder} again, or pull it from where it is published"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read as JSON ({error})", do=again) from error
    if (wrong := _wrong(facts, _SHAPE)) is not None:
        raise InputError(f"{path}: {wrong or 'the whole'} is missing or of the wrong kind", do=again)
    return dict(facts)


def _wrong(found: Any, shape: Any) -> str | None:
    """Where what was found is not of its shape, a name in a name; None if it is."""
    if isinstance(shape, type):
        return None if isinstance(found, shape) else ""
    if not isinstance(found, dict):
        return ""
    for name, part in shape.items():
        if (wrong := _wrong(found.get(name), part)) is not None:
            return f"{name} {wrong}".rstrip()
    return None
