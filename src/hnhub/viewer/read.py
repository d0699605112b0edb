"""From a dataset folder to what its page shows: the methods of a query joined, texts said once, the ledger beside them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from hnhub.errors import InputError
from hnhub.records import METHODS
from hnhub.rows.facts import read_facts
from hnhub.rows.stats import configs, split_files
from hnhub.stages import read_record
from hnhub.viewer.draw import draw_queries, draw_rows
from hnhub.viewer.records import CANDIDATE, Shown, Texts, ViewedQuery
from hnhub.viewer.words import common_words, jaccard, share, vocabulary

__all__ = ["read_view"]

_DIGITS = 3
_EXAMPLES = 8


def read_view(folder: Path, shown: Shown) -> dict[str, Any]:
    """What the page of the dataset in `folder` shows, as plain data. Raises InputError for a folder without rows."""
    record = read_record(folder / "manifest.json")
    stats = read_facts(folder)
    methods = [method for method in METHODS if f"{method}-scored" in configs(folder)]
    if not methods:
        raise InputError(f"{folder}: has no negatives to look at", do="build it with a method")
    frozen = _frozen(folder)
    drawn = {method: _drawn(folder, method, shown) for method in methods} if shown.sample else {}
    wanted = {query_id for rows in drawn.values() for query_id, _ in rows}
    wanted = wanted or draw_queries(frozen["query_id"], shown.limit, shown.seed)
    frozen = frozen.filter(pl.col("query_id").is_in(list(wanted)))
    texts, provenance = Texts(), Texts()
    queries = {
        query_id: ViewedQuery(query_id, split, texts.add(query), [[document, None, {}] for document in positive_ids])
        for split, query_id, query, positive_ids in frozen.iter_rows()
    }
    for method in methods:
        for row in _candidates(folder, method, list(wanted), shown).iter_rows(named=True):
            _add(queries[row["query_id"]], method, row, texts, provenance)
    _tell_lost(folder, queries)
    common = _compare(queries.values(), texts)
    places = {query_id: at for at, query_id in enumerate(queries)}
    return {
        "corpus": stats["corpus"],
        "name": stats["name"],
        "version": stats["version"],
        "hnhub": stats["hnhub"],
        "fingerprint": record.fingerprint,
        "methods": methods,
        "says": {method: METHODS[method].says for method in methods},
        "candidate": CANDIDATE,
        "shown": {
            "queries": len(queries),
            "of": sum(entry["rows"] for entry in stats["files"]["queries"].values()),
            "sample": shown.sample,
            "seed": shown.seed,
            "others": shown.others,
        },
        "sampled": {m: [[places[query], position] for query, position in rows] for m, rows in drawn.items()},
        "texts": texts.items,
        "provenance": [json.loads(text) for text in provenance.items],
        "queries": [query.as_dict() for query in queries.values()],
        "common": common,
        "ledger": _ledger(folder, stats),
        "numbers": {name: stats.get(name) for name in ("stats", "recipe", "tokens", "left_out", "review", "audit")},
    }


def _frozen(folder: Path) -> pl.DataFrame:
    parts = [
        pl.read_parquet(path, columns=["query_id", "query", "positive_ids"]).select(
            pl.lit(split).alias("split"), pl.all()
        )
        for split, paths in split_files(folder, "queries").items()
        for path in paths
    ]
    return pl.concat(parts)


def _scored(folder: Path, method: str) -> pl.LazyFrame:
    return pl.scan_parquet([path for paths in split_files(folder, f"{method}-scored").values() for path in paths])


def _drawn(folder: Path, method: str, shown: Shown) -> list[tuple[str, int]]:
    chosen = _scored(folder, method).filter(pl.col("position").is_not_null()).select("query_id", "position")
    return draw_rows(chosen.collect(engine="streaming"), method, shown.sample or 0, shown.seed)


def _candidates(folder: Path, method: str, wanted: list[str], shown: Shown) -> pl.DataFrame:
    """Positives, negatives, and of what was not chosen the first by rank, what was dropped or promoted before the rest."""
    rows = _scored(folder, method).filter(pl.col("query_id").is_in(wanted)).collect(engine="streaming")
    taken = (pl.col("label") == 1) | pl.col("position").is_not_null()
    beside = rows.filter(~taken).sort(pl.col("verdict") == "keep", "rank", nulls_last=True, maintain_order=True)
    beside = beside.group_by("query_id", maintain_order=True).head(shown.others)
    rows = pl.concat([rows.filter(taken), beside.select(rows.columns)])
    rows = rows.sort("position", "rank", nulls_last=True, maintain_order=True)
    key = pl.coalesce("document_id", "text").alias("key")
    rows = rows.join(_told(folder, method), on=["query_id", "document_id"], how="left", maintain_order="left")
    rows = rows.with_columns(key).join(
        _judged(folder, method, published=shown.published), on=["query_id", "key"], how="left", maintain_order="left"
    )
    # As it is there: a dataset of an earlier version has fewer fields.
    made_by = [field.name for field in getattr(rows.schema["provenance"], "fields", ()) if field.name != "seed"]
    fields = [pl.col("provenance").struct.field(name) for name in made_by]
    seed = pl.col("provenance").struct.field("seed").alias("seed")
    return rows.with_columns(pl.struct(fields).struct.json_encode().alias("made_by"), seed)


def _told(folder: Path, method: str) -> pl.DataFrame:
    """What the ledger says of dropped documents beyond the reason."""
    path = folder / "ledger" / f"negatives-{method}.parquet"
    columns = ("query_id", "document_id", "detail")
    if not path.is_file():
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return pl.read_parquet(path, columns=list(columns)).drop_nulls().unique(columns[:2], keep="first")


def _judged(folder: Path, method: str, *, published: bool) -> pl.DataFrame:
    """The judge's scores, where the run is at hand: they are not published."""
    path = folder.parent / "judgements" / method / "judgements.parquet"
    if published or folder.name != "dataset" or not path.is_file():
        return pl.DataFrame(schema={"query_id": pl.String, "key": pl.String, "judge": pl.Float64})
    rows = pl.read_parquet(path, columns=["query_id", "document_id", "text", "score"])
    key = pl.coalesce("document_id", "text").alias("key")
    return rows.select("query_id", key, pl.col("score").alias("judge")).unique(["query_id", "key"], keep="first")


def _add(query: ViewedQuery, method: str, row: Mapping[str, Any], texts: Texts, provenance: Texts) -> None:
    text = texts.add(row["text"])
    score = None if row["score"] is None else round(row["score"], 4)
    if row["label"] == 1:
        document = row["document_id"]
        positive = next((one for one in query.positives if one[0] == document and (document or one[1] == text)), None)
        if positive is None:  # promoted: no judge of the corpus has it
            positive = [document, text, {}]
            query.positives.append(positive)
        positive[1] = text
        positive[2][method] = [row["rank"], score]
        return
    record = {**row, "document": row["document_id"], "text": text, "score": score, "like": None, "cover": None}
    record["provenance"] = provenance.add(row["made_by"])
    query.candidates.setdefault(method, []).append([record[name] for name in CANDIDATE])


def _compare(queries: Any, texts: Texts) -> list[str]:
    """Put `like` and `cover` of every candidate in its place; returns the common words."""
    words = [vocabulary(text) for text in texts.items]
    common = common_words(words)
    left_out = frozenset(common)
    text, like, cover = (CANDIDATE.index(name) for name in ("text", "like", "cover"))
    for query in queries:
        if query.text is None:
            continue
        asked = words[query.text]
        answers = [words[one[1]] for one in query.positives if one[1] is not None]
        for candidates in query.candidates.values():
            for one in candidates:
                if one[text] is not None:
                    found = words[one[text]]
                    one[like] = round(max((jaccard(answer, found) for answer in answers), default=0.0), _DIGITS)
                    one[cover] = round(share(asked, found, left_out), _DIGITS)
    return common


def _ledger_files(folder: Path) -> list[Path]:
    return [path for path in sorted((folder / "ledger").glob("*.parquet")) if path.name != "held-out.parquet"]


def _tell_lost(folder: Path, queries: Mapping[str, ViewedQuery]) -> None:
    for path in _ledger_files(folder):
        rows = pl.scan_parquet(path).filter(
            pl.col("document_id").is_null() & pl.col("query_id").is_in(list(queries)) & (pl.col("stage") != "queries")
        )
        for query_id, *told in (
            rows.select("query_id", "method", "reason", "detail").unique(maintain_order=True).collect().iter_rows()
        ):
            queries[query_id].lost.append(tuple(told))


def _ledger(folder: Path, stats: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The counts of the card, each with its first lines."""
    examples: dict[tuple[Any, ...], list[Any]] = {}
    for key, row in _first_lines(folder):
        examples.setdefault(key, []).append(row)
    keys = ("stage", "method", "reason")
    return [
        {**drop, "examples": examples.get(tuple(drop[key] for key in keys), [])} for drop in stats["stats"]["drops"]
    ]


def _first_lines(folder: Path) -> Iterator[tuple[tuple[Any, ...], list[Any]]]:
    for path in _ledger_files(folder):
        rows = pl.scan_parquet(path).group_by("stage", "method", "reason", maintain_order=True).head(_EXAMPLES)
        names = ("stage", "method", "reason", "query_id", "document_id", "detail")
        for row in rows.select(names).collect().iter_rows():
            yield tuple(row[:3]), list(row[3:])
