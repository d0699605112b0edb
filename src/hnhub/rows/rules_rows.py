"""Rules about the rows, checked on the exact Parquet files that ship, in batches."""

import hashlib
import itertools
from collections.abc import Iterator
from typing import get_args

import polars as pl

from hnhub.records import Verdict
from hnhub.rows.assemble import to_triplets
from hnhub.rows.folder import AT, Folder, Found
from hnhub.text.similarity import normalise

__all__ = [
    "blank",
    "chosen",
    "distinct",
    "judged",
    "known_ids",
    "labels",
    "leaks",
    "nulls",
    "order",
    "own_positive",
    "paired",
    "unique_queries",
]

_VERDICTS = list(get_args(Verdict))


def nulls(folder: Folder) -> Found:
    """No null where a value is due; a missing negative only at the end of a row, and only if the recipe keeps such rows."""
    keep = folder.recipe.get("on_shortfall") == "keep"
    query = ["query"] if folder.publishes_queries else []
    for config, _, path in folder.tables():
        names = folder.schema(config).names()
        text = pl.lit(value=False)
        if config == "queries":
            due = ["query_id", "positive_ids", *query]
            text = pl.col("positive_ids").list.eval(pl.element().is_null()).list.any().fill_null(value=True)
        elif config.endswith("-scored"):
            due = ["query_id", "label", "verdict", "provenance", *query]
            # A row without document is a generated text; the corpus's own may be left out.
            text = pl.col("text").is_null() & (pl.lit(folder.publishes_text) | pl.col("document_id").is_null())
        else:
            due = ["query", "positive"] if keep else names
            pairs = itertools.pairwise(names[2:])
            gaps = [pl.col(left).is_null() & pl.col(right).is_not_null() for left, right in pairs]
            text = pl.any_horizontal(text, *gaps)
        for frame in folder.rows(path):
            found = frame.select(
                AT, *(pl.col(name).is_null().alias(name) for name in due), text.alias("text or negative")
            )
            yield from _flagged(folder.name(path), found, "is null")


def blank(folder: Folder) -> Found:
    """No text or id is empty or white space only."""
    for config, _, path in folder.tables():
        texts = [name for name, kind in folder.schema(config).items() if kind == pl.String]
        for frame in folder.rows(path, texts):
            blank = [(pl.col(name).str.strip_chars() == "").fill_null(value=False).alias(name) for name in texts]
            yield from _flagged(folder.name(path), frame.select(AT, *blank), "is empty")


def unique_queries(folder: Folder) -> Found:
    """No query id stands twice in `queries`, and no split has two queries of the same normalised text."""
    ids: set[str] = set()
    texts: set[tuple[str, str]] = set()
    for _, split, path in folder.tables("queries"):
        for frame in folder.rows(path, ["query_id", "query"]):
            for row, query_id, query in frame.iter_rows():
                if query_id in ids:
                    yield folder.name(path), row, f"query id {query_id!r} stands twice"
                ids.add(query_id)
                key = (split, normalise(query or ""))
                if query and key in texts:
                    yield folder.name(path), row, f"another query has the same text: {query!r}"
                texts.add(key)


def known_ids(folder: Folder) -> Found:
    """Every scored row is of a query in `queries` of its split, with its text; a positive is one of its positive_ids."""
    for method in folder.methods:
        for _, split, path in folder.tables(f"{method}-scored"):
            frozen = folder.queries.filter(pl.col("split") == split).select(
                "query_id", pl.col("query").alias("frozen"), "positive_ids"
            )
            for frame in folder.rows(path, ["query_id", "query", "document_id", "label", "verdict"]):
                joined = frame.join(frozen, on="query_id", how="left", maintain_order="left")
                known = pl.col("positive_ids").is_not_null()
                own = pl.col("document_id").is_in(pl.col("positive_ids")) | (pl.col("verdict") == "promote")
                positive = (pl.col("label") == 1) & ~own.fill_null(value=False)
                found = joined.select(
                    AT,
                    (~known).alias("query_id is not in queries"),
                    (known & pl.col("query").ne_missing(pl.col("frozen"))).alias("query is not the text of that id"),
                    (known & positive).alias("document_id is none of the query's positives"),
                )
                yield from _flagged(folder.name(path), found, "")


def labels(folder: Folder) -> Found:
    """Labels are 1 or 0; verdicts keep, drop (with a reason) or promote; only kept negatives have a position."""
    kept = (pl.col("label") == 0) & (pl.col("verdict") == "keep")
    for method in folder.methods:
        for _, _, path in folder.tables(f"{method}-scored"):
            for frame in folder.rows(path, ["label", "verdict", "reason", "position"]):
                found = frame.select(
                    AT,
                    (~pl.col("label").is_in([0, 1])).alias("label is neither 1 nor 0"),
                    (~pl.col("verdict").is_in(_VERDICTS)).alias(f"verdict is none of {', '.join(_VERDICTS)}"),
                    ((pl.col("verdict") == "drop") & pl.col("reason").is_null()).alias(
                        "verdict is drop, without a reason"
                    ),
                    (pl.col("position").is_not_null() & ~kept).alias("position of what is no kept negative"),
                )
                yield from _flagged(folder.name(path), found, "")


def order(folder: Folder) -> Found:
    """A query's candidates stand together, queries in the order of `queries`; one positive first; positions count from 1."""
    for method in folder.methods:
        for split in folder.files[f"{method}-scored"]:
            frozen = folder.queries.filter(pl.col("split") == split)["query_id"].to_list()
            place = {query_id: i for i, query_id in enumerate(frozen)}
            before = -1
            for frame in folder.query_groups(f"{method}-scored", split, ["query_id", "label", "position"]):
                grouped = frame.group_by("query_id", maintain_order=True).agg(
                    pl.col("path", AT).first(), pl.col("label").first(), pl.col("position").drop_nulls().sort()
                )
                for query_id, path, row, label, positions in grouped.iter_rows():
                    at = place.get(query_id, before + 1)
                    if at <= before:
                        yield path, row, f"query {query_id!r} is not in the order of queries"
                    before = max(before, at)
                    if label != 1:
                        yield path, row, f"query {query_id!r} does not begin with its positive"
                    if positions != list(range(1, len(positions) + 1)):
                        yield path, row, f"query {query_id!r} has the positions {positions}"


def judged(folder: Folder) -> Found:
    """No chosen negative is a positive of its query."""
    positives = folder.queries.select("query_id", "positive_ids").unique("query_id", keep="first", maintain_order=True)
    for method in folder.methods:
        for _, _, path in folder.tables(f"{method}-scored"):
            for frame in folder.rows(path, ["query_id", "document_id", "position"]):
                picked = frame.filter(pl.col("position").is_not_null() & pl.col("document_id").is_not_null())
                joined = picked.join(positives, on="query_id", how="inner", maintain_order="left")
                bad = joined.filter(pl.col("document_id").is_in(pl.col("positive_ids")))
                for row, query_id, document_id in bad.select(AT, "query_id", "document_id").iter_rows():
                    yield folder.name(path), row, f"{document_id!r} is a positive of query {query_id!r}"


def distinct(folder: Folder) -> Found:
    """A row's negatives differ from each other by normalised text."""
    for path, row, _, negatives in _normalised(folder):
        if len(set(negatives)) < len(negatives):
            yield path, row, "two negatives are the same text"


def own_positive(folder: Folder) -> Found:
    """No negative is the row's positive by normalised text."""
    for path, row, positive, negatives in _normalised(folder):
        if positive in negatives:
            yield path, row, f"negative_{negatives.index(positive) + 1} is the positive"


def chosen(folder: Folder) -> Found:
    """A training row is exactly a query of the scored config: one of its positives and its kept negatives by position."""
    keep = folder.recipe.get("on_shortfall") == "keep"
    for method in folder.methods if folder.publishes_text else []:
        names = folder.schema(method).names()
        if not all(
            folder.has_schema(config, path) for config in (method, f"{method}-scored") for path in folder.paths(config)
        ):
            continue
        for split in folder.files[f"{method}-scored"]:
            actual = _training_rows(folder, method, split)
            broken = False
            for frame in folder.query_groups(
                f"{method}-scored", split, ["query_id", "query", "text", "label", "position"]
            ):
                rows = to_triplets(frame, len(names) - 2, keep_short=keep, positives=folder.recipe.get("positives"))
                for expected in rows.select(names).iter_rows():
                    path, row, found = next(actual, (f"data/{method}", None, None))
                    if found != expected:
                        differs = next(
                            (n for n, a, b in zip(names, found or (), expected, strict=False) if a != b), "row"
                        )
                        yield path, row, f"{differs} is not what {method}-scored gives for {expected[0]!r}"
                        # One row too many or too few puts every later one off: say it once.
                        broken = found is None or found[0] != expected[0]
                    if broken:
                        break
                if broken:
                    break
            if not broken:
                yield from ((path, row, f"is not in {method}-scored") for path, row, _ in actual)


def paired(folder: Folder) -> Found:
    """Rows of every method are in the order of `queries`, and a query has the same positives in all of them, promoted ones apart."""
    for split in folder.files.get("queries", {}) if folder.publishes_text else ():
        queries = folder.queries.filter(pl.col("split") == split)["query"].to_list()
        place = {text: i for i, text in enumerate(queries)}
        known: dict[int, list[bytes]] = {}
        for method in folder.methods:
            before = -1
            rows = _training_rows(folder, method, split)
            for query, of_query in itertools.groupby(rows, key=lambda found: found[2][0]):
                (path, row, _), *_ = group = list(of_query)
                at = place.get(query)
                if at is None:
                    yield path, row, f"query {query!r} is not in queries"
                    continue
                if at <= before:
                    yield path, row, f"query {query!r} is not in the order of queries"
                before = max(before, at)
                texts = [hashlib.blake2b((row[1] or "").encode(), digest_size=8).digest() for _, _, row in group]
                if known.setdefault(at, texts) != texts and folder.recipe.get("promote") != "positive":
                    yield path, row, f"query {query!r} has other positives in another method"


def leaks(folder: Folder) -> Found:
    """No query is a held-out query of the corpus by normalised text (hashes in ledger/held-out.parquet)."""
    path = folder.path / "ledger" / "held-out.parquet"
    if not path.is_file():
        yield "ledger/held-out.parquet", None, "is missing, so that leaks can't be looked for"
        return
    held_out = dict(pl.read_parquet(path).select("sha256", "split").iter_rows())
    for _, split, file in folder.tables("queries") if folder.publishes_queries else ():
        for frame in folder.rows(file, ["query"]):
            for row, query in frame.iter_rows():
                digest = hashlib.sha256(normalise(query or "").encode()).hexdigest()
                # A split that is published for evaluation itself is no leak of itself.
                if held_out.get(digest, split) != split:
                    yield folder.name(file), row, f"is a query of the corpus's {held_out[digest]} split: {query!r}"


def _training_rows(folder: Folder, method: str, split: str) -> Iterator[tuple[str, int, tuple[str | None, ...]]]:
    for _, of, path in folder.tables(method):
        for frame in folder.rows(path) if of == split else ():
            yield from ((folder.name(path), row, tuple(values)) for row, *values in frame.iter_rows())


def _normalised(folder: Folder) -> Iterator[tuple[str, int, str, list[str]]]:
    """File, row, normalised positive and negatives of every training row."""
    for method in folder.methods:
        for split in folder.files.get(method, {}):
            for path, row, values in _training_rows(folder, method, split):
                _, positive, *negatives = values
                yield path, row, normalise(positive or ""), [normalise(text) for text in negatives if text is not None]


def _flagged(path: str, frame: pl.DataFrame, what: str) -> Found:
    """One violation for each true value of the boolean columns beside `AT`."""
    names = [name for name in frame.columns if name != AT]
    for row, *values in frame.filter(pl.any_horizontal(names)).iter_rows():
        yield from ((path, row, f"{name} {what}".strip()) for name, value in zip(names, values, strict=True) if value)
