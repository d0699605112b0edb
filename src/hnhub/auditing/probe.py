"""The shortcut probe: whether negatives are told from positives by how they are written, whatever the query asks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hnhub.auditing.sample import Pairs

__all__ = ["probe"]

_WORDS = r"\w+|[^\w\s]"
_LEAST = 100
_FOLDS = 5
_BINS = 12


def probe(pairs: Pairs, seed: int) -> dict[str, Any] | None:
    """The area under the ROC curve of a classifier that sees a text alone, cross-validated.

    None for under 100 texts a side, or 5 queries.

    Logistic regression over TF-IDF of words, marks and pairs of them. Both sides have as many texts of each length, so that
    length tells nothing. A query's texts lie in one fold, and a text that stands on both sides in none, so that topics
    tell little. 0.5 is chance; `low` and `high` are the folds' extremes. Needs scikit-learn.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline

    texts, bad, groups = _texts(pairs)
    kept = _length_matched(np.array([len(text) for text in texts]), bad, seed)
    if len(kept) < 2 * _LEAST:
        return None
    texts, bad, groups = [texts[i] for i in kept], bad[kept], groups[kept]
    if len(np.unique(groups)) < _FOLDS:
        return None
    areas = []
    for fit, held in GroupKFold(_FOLDS, shuffle=True, random_state=seed).split(texts, bad, groups):
        if len(set(bad[held].tolist())) < 2 or len(set(bad[fit].tolist())) < 2:
            continue
        model = make_pipeline(
            TfidfVectorizer(token_pattern=_WORDS, ngram_range=(1, 2), min_df=2, max_features=20_000, sublinear_tf=True),
            LogisticRegression(max_iter=300),
        )
        model.fit([texts[i] for i in fit], bad[fit])
        areas.append(float(roc_auc_score(bad[held], model.decision_function([texts[i] for i in held]))))
    if not areas:
        return None
    low, high = min(areas), max(areas)
    return {"auc": round(float(np.mean(areas)), 3), "low": round(low, 3), "high": round(high, 3), "texts": len(texts)}


def _texts(pairs: Pairs) -> tuple[list[str], NDArray[np.bool_], NDArray[np.int64]]:
    """Distinct texts that stand on one side only, whether they are negatives, and the number of their query."""
    good = {text: pairs.queries[i] for i, text in reversed(list(enumerate(pairs.positives)))}
    bad = {text: pairs.queries[i] for i, row in reversed(list(enumerate(pairs.negatives))) for text in row}
    both = good.keys() & bad.keys()
    number = {query: i for i, query in enumerate(dict.fromkeys(pairs.queries))}
    rows = [
        (text, wrong, number[query])
        for wrong, side in ((False, good), (True, bad))
        for text, query in side.items()
        if text not in both
    ]
    return (
        [text for text, _, _ in rows],
        np.array([wrong for _, wrong, _ in rows], dtype=np.bool_),
        np.array([group for _, _, group in rows], dtype=np.int64),
    )


def _length_matched(lengths: NDArray[np.int64], bad: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Places of as many texts of both sides in each of twelve bins of length."""
    if not len(lengths):
        return np.zeros(0, dtype=np.int64)
    draw = np.random.default_rng(seed)
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = np.digitize(lengths, edges)
    kept = []
    for one in np.unique(bins):
        sides = [np.flatnonzero((bins == one) & (bad == side)) for side in (False, True)]
        size = min(map(len, sides))
        kept += [draw.permutation(side)[:size] for side in sides]
    return np.sort(np.concatenate(kept))
