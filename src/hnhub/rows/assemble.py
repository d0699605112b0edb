"""From frozen queries and chosen negatives to the published rows. What each column is made of: docs/columns.md."""

import hashlib
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hnhub.errors import InputError
from hnhub.progress import report
from hnhub.records import METHODS, Drop, Recipe, evaluation_splits
from hnhub.rows.parquet import ShardWriter, write_parquet
from hnhub.rows.scores import Scores
from hnhub.schema import (
    FROZEN_QUERIES,
    LEDGER,
    NEGATIVES,
    PROVENANCE,
    PUBLISHED_QUERIES,
    QUERIES,
    SCORED,
    triplet,
)
from hnhub.stages import facts_of
from hnhub.text.documents import Positions, Texts, wanted_ids
from hnhub.text.similarity import normalise

__all__ = ["HELD_OUT", "distinct_positives", "join_scored", "make_rows", "to_triplets"]

HELD_OUT = pl.Schema({"split": pl.String, "sha256": pl.String})
"""ledger/held-out.parquet: hashes of the normalised queries of the evaluation splits, so that anyone can look for leaks."""

log = logging.getLogger(__name__)

_BATCH = 4096


def make_rows(
    out: Path,
    *,
    corpus: Path,
    queries: Path,
    negatives: Mapping[str, Path],
    recipe: Recipe,
    ledgers: Mapping[str, Path] | None = None,
    scores: Mapping[str, Path] | None = None,
    publish_text: bool = True,
) -> dict[str, Any]:
    """Write data/ and ledger/ of a dataset from finished stage folders; returns the facts for its manifest.

    `negatives` maps a method to its stage, `ledgers` the name of any further stage to its ledger.parquet,
    `scores` a method that scores to its candidates.parquet: what it gave a candidate stands beside it in every method. Without
    `publish_text` nothing that the corpus wrote is published: no positives, no documents' texts, no queries of its own,
    and so no training-ready configs (`hnhub.load_run` joins them from the user's copy).

    Raises InputError for a stage's file with other columns, in another order than the queries, or that names a query or
    document that isn't there. Memory does not grow with documents or candidates; the frozen queries are held.
    """
    frozen = _read_queries(queries / "queries.parquet")
    paths = {
        method: _checked(negatives[method] / "negatives.parquet", NEGATIVES)
        for method in METHODS
        if method in negatives
    }
    stages = {"queries": queries / "ledger.parquet", **(ledgers or {})}
    stages |= {f"negatives-{method}": negatives[method] / "ledger.parquet" for method in paths}
    stages = {name: _checked(path, LEDGER) for name, path in stages.items() if path.is_file()}
    scratch = out / ".texts"
    try:
        named = pl.col("positive_ids").explode(empty_as_null=True, keep_nulls=True)
        ids = [frozen.lazy().select(named.alias("document_id"))]
        wanted = wanted_ids([*ids, *(pl.scan_parquet(path) for path in paths.values())])
        texts = Texts(corpus / "documents.parquet", wanted, scratch) if publish_text else None
        hide_query = not publish_text and recipe.queries_from == "qrels"
        counts = {"queries": _write_queries(out, frozen, hide=hide_query)}
        repeated = [] if texts is None else _repeated(frozen, texts)
        drops = list(repeated)
        for method, path in paths.items():
            written, lost = _write_method(
                out, method, path, frozen=frozen, texts=texts, scores=scores or {}, recipe=recipe, hide_query=hide_query
            )
            counts |= written
            told = _in_ledgers(method, stages.values())
            drops += [drop for drop in lost if drop.query_id not in told]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _write_ledgers(out, stages, drops, details=publish_text)
    held_out = _write_held_out(out, corpus / "queries.parquet", facts_of(corpus).get("evaluation_splits"))
    left_out = _left_out(frozen, recipe.positives, repeated)
    return {"counts": counts, "held_out": held_out, "publishes_text": publish_text, "left_out": left_out}


def join_scored(
    frame: pl.DataFrame, queries: pl.DataFrame, method: str, texts: Texts | None, scores: pl.DataFrame
) -> pl.DataFrame:
    """Candidates of whole queries (NEGATIVES) to rows of `<method>-scored` (SCORED): a query's positives first, then by rank.

    `queries` holds the frozen queries of the frame, in order. Positives stand in the order of `positive_ids`, promoted ones
    after them; one that the method did not score is added without rank and score. Texts are joined where there is a document
    id; without `texts` they stay null. `scores` (`Scores.up_to`) holds what every scorer gave these queries' documents.
    """
    order = queries.select("query_id", "query", "positive_ids", "provenance").with_row_index("order")
    known = {"method": pl.lit(method), "corpus_revision": pl.col("provenance").struct.field("corpus_revision")}
    provenance = [
        known.get(field.name, pl.lit(None)).cast(field.dtype).alias(field.name) for field in PROVENANCE.fields
    ]
    places = (
        order.with_columns(pl.int_ranges(pl.col("positive_ids").list.len()).alias("place"))
        .explode("positive_ids", "place", empty_as_null=True, keep_nulls=True)
        .rename({"positive_ids": "document_id"})
    )
    frame = _retrieved_positives(frame, places)
    scored = frame.filter(pl.col("label") == 1).select("query_id", "document_id")
    added = places.join(scored, on=["query_id", "document_id"], how="anti").select(
        "query_id",
        "document_id",
        pl.lit(1, pl.Int8).alias("label"),
        pl.lit("keep").alias("verdict"),
        pl.struct(provenance).alias("provenance"),
    )
    rows = pl.concat([added, frame], how="diagonal")
    rows = rows.join(order.select("order", "query_id", "query"), on="query_id", how="left", maintain_order="left")
    rows = rows.join(
        places.select("query_id", "document_id", "place"),
        on=["query_id", "document_id"],
        how="left",
        maintain_order="left",
    )
    rows = rows.sort("order", pl.col("label") != 1, "place", nulls_last=True, maintain_order=True)
    text = pl.col("text")
    if texts is not None:
        text = pl.coalesce(texts.gather(rows["document_id"]), text)
    rows = rows.with_columns(text.alias("text"))
    return rows.join(scores, on=["query_id", "document_id"], how="left", maintain_order="left").select(SCORED.names())


def _retrieved_positives(frame: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """A candidate that is one of the query's further positives, which the guard drops as relevant, is that positive, with its rank and score."""
    pair = ["query_id", "document_id"]
    known = places.select(*pair, found=pl.lit(value=True)).join(frame.filter(pl.col("label") == 1), on=pair, how="anti")
    joined = frame.join(known, on=pair, how="left", maintain_order="left")
    further = pl.col("found").fill_null(value=False) & (pl.col("label") == 0)
    return joined.with_columns(
        pl.when(further).then(pl.lit(1, pl.Int8)).otherwise("label").alias("label"),
        pl.when(further).then(pl.lit("keep")).otherwise("verdict").alias("verdict"),
        pl.when(further).then(None).otherwise("reason").alias("reason"),
    ).drop("found")


def to_triplets(
    scored: pl.DataFrame, negatives: int, *, keep_short: bool, positives: int | None = None
) -> pl.DataFrame:
    """Rows of `<method>-scored` of whole queries to training-ready rows, in the same order (columns `query_id` + triplet).

    A row for each of a query's positives, but those that repeat one before them by normalised text, or for the first
    `positives` of them; the negatives of position 1..n stand in all of them. A query with fewer is left out, or kept with
    nulls if `keep_short`.
    """
    rows = distinct_positives(scored)
    if positives is not None:
        rows = rows.filter(pl.int_range(pl.len()).over("query_id") < positives)
    rows = rows.select("query_id", "query", pl.col("text").alias("positive"))
    chosen = scored.filter(pl.col("position").is_not_null())
    for i in range(1, negatives + 1):
        at = chosen.filter(pl.col("position") == i).select("query_id", pl.col("text").alias(f"negative_{i}"))
        rows = rows.join(at, on="query_id", how="left" if keep_short else "inner", maintain_order="left")
    return rows


def distinct_positives(scored: pl.DataFrame) -> pl.DataFrame:
    """The rows of positives, without those that repeat one before them of the same query by normalised text."""
    rows = scored.filter(pl.col("label") == 1)
    several = rows.select(pl.col("query_id").is_duplicated()).to_series()
    if not several.any():
        return rows
    keys = [normalise(text or "") if one else "" for text, one in zip(rows["text"], several, strict=True)]
    return (
        rows.with_columns(pl.Series("key", keys))
        .unique(["query_id", "key"], keep="first", maintain_order=True)
        .drop("key")
    )


def _repeated(frozen: pl.DataFrame, texts: Texts) -> list[Drop]:
    """The judged pairs that get no row, because the positive repeats one before it."""
    drops = []
    for part in frozen.filter(pl.col("positive_ids").list.len() > 1).iter_slices(_BATCH):
        pairs = part.select("query_id", pl.col("positive_ids").alias("document_id"), pl.lit(1).alias("label"))
        pairs = pairs.explode("document_id", empty_as_null=True, keep_nulls=True)
        pairs = pairs.with_columns(texts.gather(pairs["document_id"]).alias("text"))
        lost = pairs.join(distinct_positives(pairs), on=["query_id", "document_id"], how="anti", maintain_order="left")
        drops += [
            Drop("rows", "repeats_positive", None, *pair) for pair in lost.select("query_id", "document_id").rows()
        ]
    return drops


def _left_out(frozen: pl.DataFrame, positives: int | None, repeated: Sequence[Drop]) -> dict[str, int]:
    """By split, the pairs beyond the limit of positives; those that are dropped as `repeated` are counted as such."""
    if positives is None:
        return {}
    repeats = pl.Series("query_id", [drop.query_id for drop in repeated], pl.String).value_counts(name="repeats")
    queries = frozen.join(repeats, on="query_id", how="left", maintain_order="left")
    distinct = pl.col("positive_ids").list.len().cast(pl.Int64) - pl.col("repeats").fill_null(0).cast(pl.Int64)
    beyond = (distinct - positives).clip(0).sum()
    counts = queries.group_by("split", maintain_order=True).agg(beyond.alias("beyond"))
    found = {split: int(count) for split, count in counts.iter_rows() if count}
    for split, count in found.items():
        log.warning("%s: %s pairs beyond --positives %d", split, f"{count:,}", positives)
    return found


def _write_queries(out: Path, frozen: pl.DataFrame, *, hide: bool) -> dict[str, dict[str, int]]:
    counts = {}
    query = pl.lit(None, pl.String).alias("query") if hide else pl.col("query")
    columns = [query if name == "query" else pl.col(name) for name in PUBLISHED_QUERIES]
    for split in frozen["split"].unique(maintain_order=True):
        places = (frozen["split"] == split).arg_true()
        with ShardWriter(out / "data" / "queries", split, PUBLISHED_QUERIES) as writer:
            for at in range(0, len(places), _BATCH):
                writer.write(frozen[places[at : at + _BATCH]].select(columns))
        counts[split] = {"rows": writer.rows, "num_bytes": writer.num_bytes}
    return counts


def _write_method(
    out: Path,
    method: str,
    path: Path,
    *,
    frozen: pl.DataFrame,
    texts: Texts | None,
    scores: Mapping[str, Path],
    recipe: Recipe,
    hide_query: bool,
) -> tuple[dict[str, dict[str, dict[str, int]]], list[Drop]]:
    """Write `<method>` and `<method>-scored`. Returns counts by config and split, and the queries that got no row."""
    scored_writers: dict[str, ShardWriter] = {}
    triplet_writers: dict[str, ShardWriter] = {}
    columns = triplet(recipe.negatives)
    known = Positions(frozen["query_id"])
    got = np.zeros(len(frozen), np.int8)  # by query: no candidates, candidates, a row
    with ExitStack() as stack:
        for split in frozen["split"].unique(maintain_order=True):
            scored_writers[split] = stack.enter_context(ShardWriter(out / "data" / f"{method}-scored", split, SCORED))
            if texts is not None:
                triplet_writers[split] = stack.enter_context(ShardWriter(out / "data" / method, split, columns))
        done = 0
        beside = Scores(scores, known)
        for frame, places in _whole_queries(path, known):
            queries = frozen[places]
            done += len(queries)
            got[places] = 1
            given = beside.up_to(int(places[-1]))
            for split, part in _by_split(queries):
                candidates = frame.filter(pl.col("query_id").is_in(part["query_id"].implode()))
                scored = join_scored(candidates, part, method, texts, given)
                rows = to_triplets(
                    scored,
                    recipe.negatives,
                    keep_short=recipe.on_shortfall == "keep",
                    positives=recipe.positives,
                )
                got[known.find(rows["query_id"])] = 2
                if texts is None:  # a dropped text may have been dropped because it copies a passage
                    scored = scored.filter(pl.col("document_id").is_not_null() | (pl.col("verdict") == "keep"))
                if hide_query:
                    scored = scored.with_columns(pl.lit(None, pl.String).alias("query"))
                scored_writers[split].write(scored)
                if texts is not None:
                    triplet_writers[split].write(rows.select(columns.names()))
            report(f"rows of {method}", done, len(frozen), unit="queries")
    counts = {
        config: {split: {"rows": writer.rows, "num_bytes": writer.num_bytes} for split, writer in writers.items()}
        for config, writers in ((method, triplet_writers), (f"{method}-scored", scored_writers))
        if writers
    }
    without = np.flatnonzero(got < 2)
    reasons = np.where(got[without] == 0, "no_candidates", "shortfall").tolist()
    lost = zip(reasons, frozen["query_id"].gather(without), strict=True)
    return counts, [Drop("rows", reason, method, query_id) for reason, query_id in lost]


def _whole_queries(path: Path, known: Positions) -> Iterator[tuple[pl.DataFrame, NDArray[np.int64]]]:
    """Batches of candidates that end where a query ends, each with the places (ascending) of the queries that it is about."""
    before = -1
    for frame in _cut_between_queries(path):
        places = known.find(frame["query_id"])
        if (places < 0).any():
            unknown = frame["query_id"][int((places < 0).argmax())]
            raise InputError(f"{path}: query {unknown!r} is not among the frozen queries", do="build this stage again")
        if places[0] <= before or (np.diff(places) < 0).any():
            raise InputError(f"{path}: not in the order of the frozen queries", do="build this stage again")
        before = int(places[-1])
        yield frame, np.unique(places)


def _cut_between_queries(path: Path) -> Iterator[pl.DataFrame]:
    rest = pl.DataFrame(schema=NEGATIVES)
    for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(_BATCH):
        frame = pl.concat([rest, pl.DataFrame(batch).cast(NEGATIVES)])
        cut = (frame["query_id"] == frame["query_id"][-1]).arg_max() or 0
        if cut:
            yield frame[:cut]
        rest = frame[cut:]
    if len(rest):
        yield rest


def _write_ledgers(out: Path, stages: Mapping[str, Path], drops: list[Drop], *, details: bool) -> None:
    """Without `details` what a drop's detail quotes is left out: a query that was copied from a passage is the passage's."""
    for name, path in sorted(stages.items()):
        detail = pl.col("detail") if details else pl.lit(None, pl.String).alias("detail")
        batches = pq.ParquetFile(path, pre_buffer=False).iter_batches()
        frames = (pl.DataFrame(batch).with_columns(detail) for batch in batches)
        write_parquet(out / "ledger" / f"{name}.parquet", frames, LEDGER)
    rows = pl.DataFrame([asdict(drop) for drop in drops], schema=LEDGER).select(LEDGER.names())
    write_parquet(out / "ledger" / "rows.parquet", [rows], LEDGER)


def _write_held_out(out: Path, path: Path, declared: Sequence[str] | None) -> dict[str, int]:
    """Hash the queries of the evaluation splits; returns their number by split."""
    queries = pl.read_parquet(_checked(path, QUERIES))
    queries = queries.filter(pl.col("split").is_in(evaluation_splits(set(queries["split"]), declared)))
    hashes = [hashlib.sha256(normalise(text).encode()).hexdigest() for text in queries["text"]]
    rows = queries.select("split", pl.Series("sha256", hashes, dtype=pl.String)).sort("split", "sha256")
    write_parquet(out / "ledger" / "held-out.parquet", [rows], HELD_OUT)
    return {split: len(part) for split, part in _by_split(rows)}


def _read_queries(path: Path) -> pl.DataFrame:
    frozen = pl.read_parquet(_checked(path, FROZEN_QUERIES))
    if twice := frozen.filter(pl.col("query_id").is_duplicated())["query_id"].head(1).to_list():
        raise InputError(f"{path}: query id {twice[0]!r} stands there twice", do="give every query an id of its own")
    if len(bare := frozen.filter(pl.col("positive_ids").list.len().fill_null(0) == 0)):
        raise InputError(f"{path}: query {bare['query_id'][0]!r} has no positive", do="drop it, or name its positive")
    if frozen.is_empty():
        raise InputError(f"{path}: holds no queries", do="see its ledger.parquet for why each was dropped")
    return frozen


def _in_ledgers(method: str, ledgers: Iterable[Path]) -> set[str]:
    """The queries that the ledgers say a method lost as a whole."""
    found = pl.concat([pl.scan_parquet(path) for path in ledgers] or [pl.LazyFrame(schema=LEDGER)])
    found = found.filter((pl.col("method") == method) & (pl.col("reason") == "shortfall"))
    return set(found.select(pl.col("query_id").drop_nulls().unique()).collect()["query_id"])


def _by_split(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (split,), rows in frame.partition_by("split", as_dict=True, maintain_order=True).items():
        yield split, rows


def _checked(path: Path, schema: pl.Schema) -> Path:
    """The path, if it is a Parquet file with these columns. Raises InputError else."""
    try:
        found = pl.read_parquet_schema(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: can't be read as Parquet ({error})", do="build this stage again") from error
    if found != schema:
        raise InputError(f"{path}: its columns are {dict(found)}, not {dict(schema)}", do="build this stage again")
    return path
