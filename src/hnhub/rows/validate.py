"""Is a dataset what it says? Every rule is a small function over the folder, registered once, with the words for a report."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hnhub.errors import InputError
from hnhub.rows import rules_files, rules_rows
from hnhub.rows.folder import Folder, Found, Violation

__all__ = ["RULES", "Rule", "validate"]


@dataclass(frozen=True)
class Rule:
    """A rule's name, what it demands, and the function that finds where it is broken."""

    id: str
    description: str
    check: Callable[[Folder], Found]


def _rule(check: Callable[[Folder], Found]) -> Rule:
    return Rule(check.__name__.replace("_", "-"), (check.__doc__ or "").strip(), check)


RULES: tuple[Rule, ...] = tuple(
    map(
        _rule,
        (
            rules_files.manifest,
            rules_files.listed,
            rules_files.hashes,
            rules_files.layout,
            rules_files.filled,
            rules_files.shards,
            rules_files.columns,
            rules_files.statistics,
            rules_files.card,
            rules_files.croissant,
            rules_files.ledger,
            rules_rows.nulls,
            rules_rows.blank,
            rules_rows.unique_queries,
            rules_rows.known_ids,
            rules_rows.labels,
            rules_rows.order,
            rules_rows.judged,
            rules_rows.distinct,
            rules_rows.own_positive,
            rules_rows.chosen,
            rules_rows.paired,
            rules_rows.leaks,
        ),
    )
)
"""Every rule, in the order in which they are checked."""


def validate(folder: Path) -> Iterator[Violation]:
    """Every violation in a dataset folder, rule by rule; none if it is sound. Rows are read in batches.

    Raises InputError if there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder", do="give a dataset's folder, e.g. runs/scifact/dataset")
    view = Folder(folder, _manifest(folder))
    for rule in RULES:
        try:
            for path, row, message in rule.check(view):
                yield Violation(rule.id, path, row, message)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
            # A file that is damaged or of another shape than the rule reads. Other rules may still tell more.
            yield Violation(rule.id, "", None, f"can't be checked: {type(error).__name__}: {error}")


def _manifest(folder: Path) -> dict[str, object]:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}
