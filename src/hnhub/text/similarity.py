"""When two texts count as the same, or nearly: for duplicates, copies and leaks. Everything here is deterministic.

Nearness is the Jaccard similarity of the sets of character 5-grams of the normalised texts. Characters, because they
serve a query of four words, a passage of a page and scripts without spaces alike, and see through inflection and typos.
"""

import functools
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["NEAR", "best_near", "containment", "near_pairs", "normalise", "repeats", "shingles", "similarity"]

NEAR = 0.7
"""Jaccard similarity from which two texts are near-duplicates.

One other word in a claim of ten leaves about 0.7 of it. Among SciFact's 809 train queries 81 come this near to a test query,
the last of them as "0-dimensional biomaterials lack inductive properties" to "... show inductive properties": leaks all.
Below, claims on other things begin ("deficiency of folate", "deficiency of vitamin B12": 0.65).
"""

_WIDTH = 5
_WINDOW = 2
_CHUNK = 2048


class _Folding(dict[int, str | None]):
    """Code point -> what it becomes: punctuation, spaces and controls a space, format characters nothing."""

    def __missing__(self, code: int) -> str | None:
        category = unicodedata.category(chr(code))
        # Mathematical signs and currencies stay: C and C++, 5 and 5 % of something differ.
        folded = None if category == "Cf" else " " if category[0] in "PZ" or category in ("Sk", "Cc") else chr(code)
        self[code] = folded
        return folded


_FOLDING = _Folding()


def normalise(text: str) -> str:
    """Fold compatibility forms (NFKC), case, punctuation and white space. Empty if nothing else is in the text."""
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.translate(_FOLDING).split())


def shingles(text: str) -> NDArray[np.uint64]:
    """The distinct character 5-grams of the normalised text, hashed, ascending; shorter text is one shingle, none is 0."""
    return np.unique(_sequence(text))


def _sequence(text: str) -> NDArray[np.uint64]:
    """The shingles in the order of the text."""
    codes = np.frombuffer(normalise(text).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if not len(codes):
        return codes
    count = max(1, len(codes) - _WIDTH + 1)
    hashed = np.zeros(count, dtype=np.uint64)
    for offset in range(min(_WIDTH, len(codes))):
        hashed = (hashed + codes[offset : offset + count]) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    return hashed


def similarity(a: str, b: str) -> float:
    """Jaccard similarity of two texts, 0 to 1. Two empty texts are equal."""
    return _jaccard(shingles(a), shingles(b))


def containment(part: str, whole: str) -> float:
    """The share of `part`'s shingles in the best window of `whole`, 0 to 1: is it copied from there? An empty part is.

    The window has twice the part's length. All over 100,000 characters stand 95 % of the 5-grams of any question, and all over
    an abstract nine tenths of one claim of SciFact in forty; in windows, 51 % at most and of one in a hundred and fifty.
    """
    a, b = shingles(part), _sequence(whole)
    if not len(a):
        return 1.0
    at = np.flatnonzero(np.isin(b, a))
    at = at[np.argsort(b[at], kind="stable")]  # places of one shingle side by side, ascending
    before = np.full(len(at), -1)
    again = np.flatnonzero(b[at[1:]] == b[at[:-1]]) + 1
    before[again] = at[again - 1]
    # A place is the first of its shingle in the windows that start after the one before it, and reach it.
    starts = np.maximum(before, at - _WINDOW * len(a)) + 1
    size = len(b) + 1
    firsts = np.bincount(np.maximum(starts, 0), minlength=size) - np.bincount(at + 1, minlength=size)
    return float(np.cumsum(firsts).max()) / len(a)


def near_pairs(
    texts: Sequence[str], others: Sequence[str] | None = None, threshold: float = NEAR
) -> list[tuple[int, int, float]]:
    """Every (i, j, similarity) with texts[i] and others[j] at or above `threshold` (0.1 <= threshold <= 1), ascending.

    Without `others`: the pairs within `texts`, j < i. Exact, and not quadratic: two sets that are similar share one of
    their rarest shingles (prefix filter: Bayardo et al. 2007), long ones several (Wang et al. 2012), so only texts that do
    are compared. 3,633 abstracts among themselves take 8 s on one core.
    Empty texts pair with nothing.
    """
    right_texts = texts if others is None else others
    weights = _frequencies([*_sample(texts), *_sample(right_texts)])
    right = pl.concat(
        [_EMPTY, *(_prefixes(right_texts, at, weights, threshold) for at in range(0, len(right_texts), _CHUNK))]
    )
    right = right.rename({"i": "j", "size": "other_size"})
    shingles_of = functools.lru_cache(maxsize=4 * _CHUNK)(shingles)
    found = []
    for at in range(0, len(texts), _CHUNK):
        pairs = _prefixes(texts, at, weights, threshold).lazy().join(right.lazy(), on="shingle")
        if others is None:
            pairs = pairs.filter(pl.col("j") < pl.col("i"))
        smaller, larger = pl.min_horizontal("size", "other_size"), pl.max_horizontal("size", "other_size")
        pairs = (
            pairs.filter(smaller >= threshold * larger - 1e-9)
            .group_by("i", "j", smaller.alias("smaller"))
            .len("common")
        )
        pairs = pairs.filter(pl.col("common") >= _common(pl.col("smaller"))).select("i", "j").sort("i", "j")
        for i, j in pairs.collect().iter_rows():
            value = _jaccard(shingles_of(texts[i]), shingles_of(right_texts[j]))
            if value >= threshold:
                found.append((i, j, value))
    return found


def best_near(texts: Sequence[str], others: Sequence[str], threshold: float = NEAR) -> list[int | None]:
    """For each text the index of the most similar of `others` (the first of equals), None if none is near.

    A text that equals one by normalised text is as near as can be, also if both are empty.
    """
    keys, other_keys = [normalise(text) for text in texts], [normalise(text) for text in others]
    exact = {key: j for j, key in reversed(list(enumerate(other_keys)))}
    left, right = list(dict.fromkeys(key for key in keys if key not in exact)), list(exact)
    best: dict[str, tuple[float, int]] = {}
    for i, j, value in near_pairs(left, right, threshold):
        best[left[i]] = min(best.get(left[i], (0.0, 0)), (-value, exact[right[j]]))
    return [exact[key] if key in exact else best[key][1] if key in best else None for key in keys]


def repeats(texts: Sequence[str], threshold: float = NEAR) -> list[int | None]:
    """For each text the index of the first earlier one, itself no repeat, that it equals or nearly equals, else None."""
    keys = [normalise(text) for text in texts]
    first: dict[str, int] = {}
    for i, key in enumerate(keys):
        first.setdefault(key, i)
    distinct = list(first)
    near: dict[int, list[int]] = {}
    for i, j, _ in near_pairs(distinct, None, threshold):
        near.setdefault(i, []).append(j)
    repeated: list[int | None] = [None] * len(distinct)
    for i in sorted(near):
        repeated[i] = next((j for j in near[i] if repeated[j] is None), None)
    found: dict[str, int] = {}
    for key, at in zip(distinct, repeated, strict=True):
        found[key] = first[key] if at is None else first[distinct[at]]
    return [None if found[key] == i else found[key] for i, key in enumerate(keys)]


_EMPTY = pl.DataFrame(schema={"i": pl.UInt32, "size": pl.UInt32, "shingle": pl.UInt64})


def _prefixes(texts: Sequence[str], start: int, weights: NDArray[np.int64], threshold: float) -> pl.DataFrame:
    """One row for each of the rarest shingles of a chunk's texts, as many as the prefix filter needs."""
    rows, sizes, kept = [], [], []
    for i in range(start, min(start + _CHUNK, len(texts))):
        grams = shingles(texts[i])
        need = len(grams) - int(np.ceil(threshold * len(grams) - 1e-9)) + _common(len(grams)) if len(grams) else 0
        # Ties are broken by the shingle's hash (they are ascending), so both sides use one and the same order.
        kept.append(grams[np.argsort(weights[grams >> _SHIFT], kind="stable")[:need]])
        rows.append(np.full(need, i, dtype=np.uint32))
        sizes.append(np.full(need, len(grams), dtype=np.uint32))
    if not rows:
        return _EMPTY
    columns = {"i": np.concatenate(rows), "size": np.concatenate(sizes), "shingle": np.concatenate(kept)}
    return pl.DataFrame(columns, schema=_EMPTY.schema)


def _common(size: Any) -> Any:
    """How many shingles the prefixes of two similar sets must share; the prefixes are that much longer."""
    return 1 + size // 32


_SHIFT = np.uint64(46)


def _frequencies(texts: Sequence[str]) -> NDArray[np.int64]:
    """How often shingles occur, by the first 18 bits of their hash: any order would be right, a good one is fast."""
    counts = np.zeros(1 << 18, dtype=np.int64)
    for text in texts:
        counts[np.unique(shingles(text) >> _SHIFT)] += 1
    return counts


def _sample(texts: Sequence[str]) -> Iterator[str]:
    yield from texts[:: max(1, len(texts) // 10_000)]


def _shared(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> int:
    return len(np.intersect1d(a, b, assume_unique=True))


def _jaccard(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
    shared = _shared(a, b)
    union = len(a) + len(b) - shared
    return shared / union if union else 1.0
