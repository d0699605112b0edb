"""The checks of one method's negatives."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hnhub.auditing.findings import Finding, percent
from hnhub.auditing.nearness import Nearness
from hnhub.auditing.sample import Pairs
from hnhub.records import METHODS
from hnhub.text.language import surely_other

__all__ = ["drift", "hardness", "language", "shortcut"]

_SHORTCUT = 0.7
_ABOVE_MINED = 0.1
_DRIFTED = 0.5
_NEAR, _NEAR_SHARE = 0.95, 0.2
_FOREIGN = 0.02


def shortcut(method: str, probed: dict[str, Any] | None, mined: Sequence[float]) -> Finding:
    """`probed` is what `probe` found of the method, `mined` the areas of the dataset's mined methods."""
    source = "Hosmer and Lemeshow (2000): from 0.7 on a classifier tells acceptably; 0.5 is chance"
    limit = _SHORTCUT
    if METHODS[method].written and mined:
        limit = max(_SHORTCUT, max(mined) + _ABOVE_MINED)
        source += f"; mined methods here show {max(mined):.2f}, and {_ABOVE_MINED} above that counts (hnhub's choice)"
    source += f". Threshold {limit:.2f}."
    if probed is None:
        return Finding("shortcut", None, "Not measured: under 100 texts a side, or 5 queries, are left.", source)
    told = f"AUC {probed['auc']:.2f} (folds {probed['low']:.2f} to {probed['high']:.2f}, {probed['texts']:,} texts of matched length)"
    fine = probed["auc"] < limit
    says = (
        "Hardly told from positives by how they are written"
        if fine
        else "Told from positives by how they are written, whatever the query: a model may learn that instead of relevance"
    )
    return Finding("shortcut", fine, f"{says}: {told}.", source, probed)


def drift(pairs: Pairs, near: Nearness, seed: int) -> Finding:
    """How many negatives are no nearer to their query than positives of other queries are."""
    order = np.random.default_rng(seed).permutation(len(pairs)).tolist()
    strange = [
        (a, b) for a, b in zip(order, [*order[1:], order[0]], strict=True) if pairs.queries[a] != pairs.queries[b]
    ]
    others = near.of([pairs.queries[a] for a, _ in strange], [pairs.positives[b] for _, b in strange])
    repeated = [query for query, row in zip(pairs.queries, pairs.negatives, strict=True) for _ in row]
    asked = near.of(repeated, [text for row in pairs.negatives for text in row])
    answers = near.of(
        [text for text, row in zip(pairs.positives, pairs.negatives, strict=True) for _ in row],
        [text for row in pairs.negatives for text in row],
        documents=True,
    )
    limit = float(np.quantile(others, 0.95)) if len(others) else 0.0
    share = float((asked <= limit).mean()) if len(asked) else 0.0
    figures = {
        "query_positive": _mean(near.of(pairs.queries, pairs.positives)), "query_negative": _mean(asked),
        "positive_negative": _mean(answers), "query_other": _mean(others), "limit": round(limit, 4), "drifted": round(share, 4),
    }  # fmt: skip
    fine = share <= _DRIFTED
    if not near.sees_meaning:
        says = "By shared words alone, which an encoder would judge better"
    elif fine:
        says = "Most negatives are on their query's topic"
    else:
        says = "Most negatives have drifted off their query's topic: they are hardly hard"
    told = f"{percent(share)} are no nearer to it than 95 % of random passages (mean {near.name} to the query {figures['query_negative']}, of positives {figures['query_positive']}, of random ones {figures['query_other']})"
    return Finding(
        "topic",
        fine if near.sees_meaning else None,
        f"{says}: {told}.",
        "A one-sided test at 5 % for each negative; more than half of them is hnhub's threshold.",
        figures,
    )


def hardness(method: str, nearness: pl.Series) -> Finding:
    """Quantiles of the negatives' scores as shares of the positive's."""
    source = "NV-Retriever (arXiv 2407.15831) drops what scores over 95 % of the positive as a likely false negative; more than a fifth of the negatives is hnhub's threshold."
    if not len(nearness):
        return Finding("hardness", None, "Not measured: the method scores no positives.", source)
    quantiles = {f"p{p}": round(float(nearness.quantile(p / 100, "linear") or 0), 3) for p in (5, 25, 50, 75, 95)}
    share = int((nearness > _NEAR).sum()) / len(nearness)
    fine = share <= _NEAR_SHARE
    says = (
        "Few negatives score as the positive does"
        if fine
        else "Many negatives score as the positive does, and some may be answers: read a sample, or use --judge or ce"
    )
    told = f"{percent(share)} over 95 % of its score; the middle half lies between {percent(quantiles['p25'])} and {percent(quantiles['p75'])} of it ({len(nearness):,} negatives of {method})"
    return Finding(
        "hardness", fine, f"{says}: {told}.", source, {**quantiles, "near": round(share, 4), "negatives": len(nearness)}
    )


def language(pairs: Pairs, code: str) -> Finding:
    """Negatives that are surely in another language than the corpus."""
    texts = [row[0] for row in pairs.negatives if row]
    texts = texts[:: max(1, len(texts) // 300)]
    found = [other for text in texts if (other := surely_other(text, code))]
    share = len(found) / len(texts) if texts else 0.0
    fine = share <= _FOREIGN
    named = f" ({', '.join(sorted(set(found)))})" if found else ""
    says = f"{percent(share)} of {len(texts):,} negatives are surely in another language than {code}{named}."
    return Finding(
        "language",
        fine,
        says,
        "py3langid, with the margin of hnhub.text.language; 2 % is hnhub's threshold.",
        {"share": round(share, 4), "texts": len(texts)},
    )


def _mean(values: NDArray[np.floating[Any]]) -> float:
    return round(float(values.mean()), 3) if len(values) else 0.0
