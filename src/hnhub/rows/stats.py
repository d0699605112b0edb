"""The measured facts of a dataset folder: what its card may print.

Lengths and distinct documents are over every row. Overlap and separability are over a sample of at most `SAMPLE` rows
of a config, taken at even distances. All figures are rounded, so that equal rows give equal bytes on every machine.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hnhub.records import METHODS

__all__ = ["SAMPLE", "auc", "configs", "distribution", "measure", "separability", "split_files", "words_of"]

SAMPLE = 2000

_BATCH = 8192
_TOKEN = re.compile(r"\w+|[^\w\s]")
_STYLE_TOKENS = 300
_DIGITS = 4


def split_files(folder: Path, config: str, place: str = "data") -> dict[str, list[Path]]:
    """The Parquet files of a config by split, in order of their shard numbers."""
    files: dict[str, list[Path]] = {}
    for path in sorted((folder / place / config).glob("*.parquet")):
        files.setdefault(path.name.rsplit("-", 3)[0], []).append(path)
    return files


def configs(folder: Path) -> list[str]:
    """The configs that have a folder: `queries` first, then by method in published order."""
    order = ["queries", *(name for method in METHODS for name in (method, f"{method}-scored"))]
    return [name for name in order if (folder / "data" / name).is_dir()]


def measure(folder: Path) -> dict[str, Any]:
    """Measure a dataset folder (data/ and ledger/). Returns plain data; texts that aren't published give no figures."""
    names = configs(folder)
    return {
        "rows": {name: {split: _rows(files) for split, files in split_files(folder, name).items()} for name in names},
        "drops": _drops(folder / "ledger"),
        "held_out": _held_out(folder / "ledger" / "held-out.parquet"),
        "queries": _query_facts(folder),
        "methods": {method: _method_facts(folder, method) for method in METHODS if f"{method}-scored" in names},
    }


def distribution(values: NDArray[np.int64]) -> dict[str, Any]:
    """Mean, percentiles and a histogram of counts in 20 equal bins up to the 99th percentile (the rest in the last)."""
    if not len(values):
        return {"count": 0}
    top = max(20, int(np.ceil(np.percentile(values, 99) / 20)) * 20)
    counts, _ = np.histogram(np.minimum(values, top - 1), bins=20, range=(0, top))
    return {
        "count": len(values),
        "mean": round(float(values.mean()), 1),
        **{f"p{p}": round(float(np.percentile(values, p)), 1) for p in (5, 50, 95)},
        "max": int(values.max()),
        "histogram": {"bin_width": top // 20, "counts": counts.tolist()},
    }


def auc(negative: NDArray[np.float64], positive: NDArray[np.float64]) -> float:
    """The chance that a negative's value is above a positive's, ties counted half (Mann-Whitney): 0.5 tells nothing."""
    ascending = np.sort(positive)
    below = np.searchsorted(ascending, negative, side="left")
    not_above = np.searchsorted(ascending, negative, side="right")
    return float((below + not_above).mean() / (2 * len(positive)))


def separability(positives: Sequence[str], negatives: Sequence[str]) -> dict[str, float] | None:
    """How well distinct negatives are told from distinct positives, as two areas under the ROC curve.

    `length_auc`: by the number of tokens alone. `style_auc`: by a naive Bayes model over the 300 most frequent words and
    marks, two-fold (tested on texts it was not fitted on), mean log-odds a token so that length plays no part. 0.5 is
    chance. Mined negatives are the yardstick: what generated ones show above them is a source shortcut. A cheap proxy;
    a model may find more. None if a side has fewer than 100 texts: that would be noise.
    """
    good = sorted(set(positives))
    bad = sorted(set(negatives) - set(good))
    if min(len(good), len(bad)) < 100:
        return None
    texts = [_TOKEN.findall(text.lower()) for text in [*good, *bad]]
    is_bad = np.arange(len(texts)) >= len(good)
    lengths = np.array([len(tokens) for tokens in texts], dtype=np.float64)
    frequent = sorted(
        Counter(token for tokens in texts for token in tokens).items(), key=lambda item: (-item[1], item[0])
    )
    column = {token: i for i, (token, _) in enumerate(frequent[:_STYLE_TOKENS])}
    table = np.zeros((len(texts), len(column)))
    for row, tokens in enumerate(texts):
        for token in tokens:
            if token in column:
                table[row, column[token]] += 1
    fold = np.arange(len(texts)) % 2
    odds = np.zeros(len(texts))
    for part in (0, 1):
        fitted = [table[(fold != part) & side].sum(axis=0) + 1 for side in (is_bad, ~is_bad)]
        weights = np.log(fitted[0] / fitted[0].sum()) - np.log(fitted[1] / fitted[1].sum())
        odds[fold == part] = table[fold == part] @ weights / np.maximum(1, table[fold == part].sum(axis=1))
    # One area per fold: odds of two models are not on one scale.
    areas = [auc(odds[(fold == part) & is_bad], odds[(fold == part) & ~is_bad]) for part in (0, 1)]
    return {
        "length_auc": round(auc(lengths[is_bad], lengths[~is_bad]), 3),
        "style_auc": round(sum(areas) / 2, 3),
        "positives": len(good),
        "negatives": len(bad),
    }


def _rows(files: Iterable[Path]) -> int:
    return int(pl.scan_parquet(list(files)).select(pl.len()).collect().item())


def _drops(ledger: Path) -> list[dict[str, Any]]:
    """Counts by stage, method and reason; `what` is query, document or text (a generated one)."""
    files = [path for path in sorted(ledger.glob("*.parquet")) if path.name != "held-out.parquet"]
    if not files:
        return []
    counts = pl.scan_parquet(files).group_by("stage", "method", "reason").agg(
        pl.len().alias("count"), pl.col("query_id").n_unique().alias("queries")
    )  # fmt: skip
    return counts.sort("stage", "method", "reason", nulls_last=False).collect().to_dicts()


def _held_out(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    counts = pl.read_parquet(path).group_by("split").len().sort("split")
    return dict(counts.iter_rows())


def _query_facts(folder: Path) -> dict[str, Any]:
    facts = {}
    for split, files in split_files(folder, "queries").items():
        table = (
            pl.scan_parquet(files)
            .select(
                _words("query"),
                pl.col("positive_ids").list.len().alias("positives"),
                pl.col("provenance").struct.field("style"),
            )
            .collect()
        )
        styles = table["style"].drop_nulls().value_counts(sort=True).sort("style")
        facts[split] = {
            "rows": len(table),
            "positives": int(table["positives"].sum()),
            "words": distribution(table["query"].drop_nulls().to_numpy()),
            "styles": dict(styles.iter_rows()),
        }
    return facts


def _method_facts(folder: Path, method: str) -> dict[str, Any]:
    files = [path for paths in split_files(folder, f"{method}-scored").values() for path in paths]
    scored = pl.scan_parquet(files)
    candidates = scored.filter(pl.col("label") == 0)
    chosen = scored.filter(pl.col("position").is_not_null())
    verdicts = candidates.group_by("verdict").len().sort("verdict").collect(engine="streaming")
    counted = chosen.select(
        pl.len().alias("chosen"),
        pl.col("document_id").n_unique().alias("distinct") - pl.col("document_id").null_count().clip(0, 1),
        pl.col("rank").mean().alias("rank"),
    ).collect(engine="streaming")  # fmt: skip
    rank = counted["rank"][0]
    facts: dict[str, Any] = {
        "candidates": dict(verdicts.iter_rows()),
        "queries": int(scored.select(pl.col("query_id").n_unique()).collect(engine="streaming").item()),
        "chosen": int(counted["chosen"][0]),
        "distinct_documents": int(counted["distinct"][0]),
        "mean_rank": None if rank is None else round(float(rank), 2),
    }
    triplets = [path for paths in split_files(folder, method).values() for path in paths]
    if triplets:
        facts |= _text_facts(triplets)
    return facts


def _text_facts(files: list[Path]) -> dict[str, Any]:
    table = pl.scan_parquet(files)
    names = [name for name in table.collect_schema().names() if name.startswith("negative_")]
    lengths = table.select(_words(pl.all())).collect(engine="streaming")
    negative_lengths = pl.concat([lengths[name].alias("words") for name in names]).drop_nulls()
    facts: dict[str, Any] = {
        "words": {
            "positive": distribution(lengths["positive"].to_numpy()),
            "negative": distribution(negative_lengths.to_numpy()),
        }
    }
    sample = _sample(files, len(lengths))
    if sample.is_empty():
        return facts
    negatives = [[text for text in row if text is not None] for row in sample.select(names).iter_rows()]
    facts["overlap"] = _overlap(sample["query"].to_list(), sample["positive"].to_list(), negatives)
    facts["separability"] = separability(sample["positive"].to_list(), [text for row in negatives for text in row])
    return facts | {"sampled_rows": len(sample)}


def _overlap(queries: list[str], positives: list[str], negatives: list[list[str]]) -> dict[str, float | None]:
    """Means over pairs, None over none. `query_in_*`: the share of the query's distinct words that the text has."""
    shares: dict[str, list[float]] = {"query_in_positive": [], "query_in_negative": [], "positive_negative_jaccard": []}
    words = cache(words_of)  # a text is the negative of many rows
    for query, positive, row in zip(map(words, queries), map(words, positives), negatives, strict=True):
        shares["query_in_positive"].append(len(query & positive) / max(1, len(query)))
        for negative in map(words, row):
            shares["query_in_negative"].append(len(query & negative) / max(1, len(query)))
            shares["positive_negative_jaccard"].append(len(positive & negative) / max(1, len(positive | negative)))
    return {name: round(float(np.mean(values)), _DIGITS) if values else None for name, values in shares.items()}


def _sample(files: list[Path], rows: int) -> pl.DataFrame:
    step = max(1, -(-rows // SAMPLE))
    return pl.scan_parquet(files).gather_every(step).collect(engine="streaming")


def words_of(text: str) -> set[str]:
    """The distinct words of a text, in lower case."""
    return {token for token in _TOKEN.findall(text.lower()) if token[0].isalnum()}


def _words(column: str | pl.Expr) -> pl.Expr:
    expression = pl.col(column) if isinstance(column, str) else column
    return expression.str.count_matches(r"\S+").cast(pl.Int64)
