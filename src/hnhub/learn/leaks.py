"""Did training see what it is tested on? Compares a training set's queries and positives with a test split's."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import polars as pl

from hnhub.errors import InputError
from hnhub.learn.evaluate import Judged
from hnhub.learn.training_data import TrainingData, without_rows
from hnhub.records import contents
from hnhub.text.similarity import best_near, near_pairs, normalise

__all__ = ["Checked", "Leaks", "check_leaks", "find_leaks"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Leaks:
    """Overlaps between training rows and one test split; "equal" means equal or nearly, as `hnhub.text.similarity` has it."""

    test: Judged
    queries: tuple[tuple[int, str], ...]
    """(row, test query id): the row's query equals a test query. Such rows must not be trained on."""
    positives: tuple[int, ...]
    """Rows whose positive equals a passage that is relevant to a test query. Common where queries are written from the
    corpus's own passages; what it is worth is told by evaluating without `contaminated`."""
    contaminated: frozenset[str]
    """Test queries with a relevant passage among the training positives."""


def find_leaks(queries: Sequence[str], positives: Sequence[str], test: Judged) -> Leaks:
    """Compare training rows, given as parallel columns, with a test split."""
    matched = best_near(queries, test.texts)
    asked = tuple((row, test.query_ids[j]) for row, j in enumerate(matched) if j is not None)
    relevant = test.relevant_ids
    wanted = list(dict.fromkeys(document_id for ids in relevant.values() for document_id in ids))
    found = pl.scan_parquet(test.documents).filter(pl.col("document_id").is_in(wanted)).collect()
    passages = [(document_id, contents(title, text)) for document_id, title, text in found.iter_rows()]
    # Each text once: a positive may stand in thousands of rows.
    rows_of: dict[str, list[int]] = {}
    for row, positive in enumerate(positives):
        rows_of.setdefault(normalise(positive), []).append(row)
    texts = list(rows_of)
    pairs = near_pairs([text for _, text in passages], texts)
    seen = {passages[i][0] for i, _, _ in pairs}
    rows = sorted(row for j in {j for _, j, _ in pairs} for row in rows_of[texts[j]])
    contaminated = frozenset(query_id for query_id, ids in relevant.items() if seen.intersection(ids))
    return Leaks(test, asked, tuple(rows), contaminated)


@dataclass(frozen=True)
class Checked:
    """Training data after the leak check."""

    data: TrainingData
    facts: dict[str, Any]
    """Printed in the model's card: what was found, by test split."""
    contaminated: Mapping[str, frozenset[str]]
    """Corpus -> test queries with a relevant passage among the training positives."""


def check_leaks(
    data: TrainingData,
    tests: Sequence[Judged],
    *,
    on_leak: Literal["fail", "drop"] = "fail",
    decontaminate: bool = False,
) -> Checked:
    """Compare training data with test splits. Test queries are refused, or with on_leak "drop" left out.

    With `decontaminate` rows whose positive is relevant to a test query are left out as well. Raises InputError.
    """
    queries, positives = data.rows["query"].to_list(), data.rows["positive"].to_list()
    facts: list[dict[str, Any]] = []
    contaminated: dict[str, frozenset[str]] = {}
    drop: set[int] = set()
    for test in tests:
        leaks = find_leaks(queries, positives, test)
        if on_leak == "fail":
            _refuse(leaks, data.name, queries)
        drop |= {row for row, _ in leaks.queries} | (set(leaks.positives) if decontaminate else set())
        contaminated[test.corpus] = frozenset() if decontaminate else leaks.contaminated
        facts.append(
            {
                "corpus": test.corpus,
                "split": test.split,
                "queries": len(leaks.queries),
                "positives": len(leaks.positives),
                "contaminated_queries": len(leaks.contaminated),
                "decontaminated": decontaminate,
            }
        )
    if len(drop) == data.rows.height:
        raise InputError(f"{data.name}: every training row is test material", do="train on another dataset")
    if drop:
        log.warning("%s: %d of %d training rows are test material and left out", data.name, len(drop), data.rows.height)
    return Checked(replace(data, rows=without_rows(data.rows, sorted(drop))), {"leaks": facts}, contaminated)


def _refuse(leaks: Leaks, name: str, queries: Sequence[str]) -> None:
    """Raise InputError, naming the first row, if a training query is a test query."""
    if not leaks.queries:
        return
    row, query_id = leaks.queries[0]
    raise InputError(
        f"{name}: {len(leaks.queries)} of {len(queries)} training queries are test queries of {leaks.test.corpus}, e.g. row {row}"
        f" ({queries[row][:60]!r} is {leaks.test.split} query {query_id})",
        do="train on a split that is not tested, or leave these rows out with --on-leak drop",
    )
