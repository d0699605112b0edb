"""What a build takes the place of: a finished dataset of the same name that was made of something else."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hnhub.pipeline.parameters import CorpusParameters, DatasetParameters, Parameters
from hnhub.records import Recipe
from hnhub.stages import facts_of, read_record

__all__ = ["warn_of_replaced"]

log = logging.getLogger(__name__)

_CODE = ("code", "cut")
"""Of a source: versions of hnhub's own code."""
_NO_SETTING = ("corpus", "prompts")


def warn_of_replaced(folder: Path, own: Mapping[str, Parameters]) -> None:
    """Warn if `folder` holds a dataset of another corpus or of other settings than `own`, the stages' parameters, say.

    A method that is added takes nothing away. Raises InputError for a record that can't be read.
    """
    manifest, dataset, corpus = folder / "dataset" / "manifest.json", own.get("dataset"), own.get("corpus")
    if not manifest.is_file() or not isinstance(dataset, DatasetParameters) or not isinstance(corpus, CorpusParameters):
        return
    held = facts_of(folder / "corpus")
    if held and _source(held) != _without_code(corpus.source):
        documents = f"{held['counts']['documents']:,} documents"
        what = f"another corpus ({held['revision']}, {documents})"
    else:
        before = Recipe.of(read_record(manifest).facts["recipe"]).as_dict()
        changed = _changed(before, dataset.recipe)
        if not changed:
            return
        what = f"other settings ({', '.join(changed)})"
    log.warning("%s: replaces the dataset of %s; give another name or --out to keep both", folder, what)


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    gone = set(before["methods"]) - set(now["methods"])
    return [
        f"{name} {_told(before[name])} -> {_told(now[name])}"
        for name in before
        if name not in _NO_SETTING and before[name] != now[name] and (name != "methods" or gone)
    ]


def _told(value: Any) -> str:
    """A setting in a sentence: several values with spaces."""
    return " ".join(map(_told, value)) or "none" if isinstance(value, tuple) else str(value)


def _source(held: Mapping[str, Any]) -> dict[str, Any]:
    """Of a finished corpus, as `Source.identity` has it."""
    source = dict(held["source"])
    if "given" in source:
        source["given"] = held["revision"]
    return _without_code(source)


def _without_code(source: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in source.items() if key not in _CODE}
