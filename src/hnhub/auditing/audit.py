"""All checks of a dataset, in one go."""

from pathlib import Path
from typing import Any

from hnhub.auditing.dataset import across_splits, diversity
from hnhub.auditing.methods import drift, hardness, language, shortcut
from hnhub.auditing.nearness import Encodes, Nearness
from hnhub.auditing.probe import probe
from hnhub.auditing.sample import read_hardness, read_pairs, read_queries
from hnhub.errors import InputError
from hnhub.progress import report
from hnhub.records import METHODS
from hnhub.rows.facts import read_facts
from hnhub.text.language import language_of

__all__ = ["measure_audit"]


def measure_audit(
    folder: Path, *, encoder: Encodes | None = None, name: str | None = None, seed: int = 0
) -> dict[str, Any]:
    """Every finding of the dataset in `folder`, as plain data for `stats.json`, card and page.

    `encoder`, called `name`, measures nearness; without, shared words do. Raises InputError for a dataset that publishes no texts.
    """
    pairs = read_pairs(folder)
    if not pairs:
        raise InputError(f"{folder}: has no texts to audit", do="audit a dataset that publishes its texts")
    stats = read_facts(folder)
    near = Nearness(encoder)
    probed = {}
    for done, (method, rows) in enumerate(pairs.items()):
        report("audit: probed methods", done, len(pairs))
        probed[method] = probe(rows, seed)
    mined = [found["auc"] for method, found in probed.items() if found and not METHODS[method].written]
    code = stats["corpus"].get("language") or language_of(" ".join(next(iter(pairs.values())).positives[:50]))
    methods = {}
    for done, (method, rows) in enumerate(pairs.items()):
        report("audit: methods", done, len(pairs))
        findings = [
            shortcut(method, probed[method], mined),
            drift(rows, near, seed),
            hardness(method, read_hardness(folder, method)),
            language(rows, code),
        ]
        methods[method] = {"rows": len(rows), "findings": [one.as_dict() for one in findings]}
    queries = read_queries(folder)
    dataset = [across_splits(queries), diversity(queries, near)]
    return {"encoder": name, "seed": seed, "methods": methods, "dataset": [one.as_dict() for one in dataset]}
