"""Pairs that were given, with their negatives beside them: in the order in which they came, with the columns that they had."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from hnhub.schema import triplet
from hnhub.text.documents import Texts, wanted_ids

__all__ = ["make_mined"]

_BATCH = 4096
_IDS, _TEXTS = "hnhub_chosen_ids", "hnhub_chosen_texts"


def make_mined(
    out: Path, work: Path, *, pairs: Path, negatives: Path, documents: Path, count: int, keep_short: bool
) -> dict[str, Any]:
    """Write rows.parquet into `out`: `query`, `positive`, `negative_1` to `negative_<count>`, then a pair's other columns.

    `pairs` is rows.parquet of `hnhub.corpus.pairs`, `negatives` (NEGATIVES) what was chosen for its queries. A pair whose
    query has fewer negatives is left out, or kept with nulls if `keep_short`. Memory holds the ids of what was chosen, and a
    batch. Returns how many pairs came and how many rows were written.
    """
    chosen = (
        pl.scan_parquet(negatives)
        .filter(pl.col("position").is_not_null())
        .select("query_id", "position", "document_id", "text")
        .sort("query_id", "position")
        .group_by("query_id", maintain_order=True)
        .agg(pl.col("document_id").alias(_IDS), pl.col("text").alias(_TEXTS))
        .collect(engine="streaming")
    )
    ids = chosen.lazy().select(pl.col(_IDS).explode(empty_as_null=True, keep_nulls=True).alias("document_id"))
    texts = Texts(documents, wanted_ids([ids]), work / "texts")
    source = pq.ParquetFile(pairs, pre_buffer=False)
    came, written = 0, 0
    writer: pq.ParquetWriter | None = None
    try:
        for frame in _frames(source):
            rows = _with_negatives(frame, chosen, texts, count, keep_short=keep_short)
            table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(out / "rows.parquet", table.schema, compression="zstd")
            writer.write_table(table.cast(writer.schema))
            came, written = came + len(frame), written + len(rows)
    finally:
        if writer:
            writer.close()
        shutil.rmtree(work / "texts", ignore_errors=True)
    return {"pairs": came, "rows": written}


def _frames(source: pq.ParquetFile) -> Iterator[pl.DataFrame]:
    for batch in source.iter_batches(_BATCH):
        yield pl.DataFrame(batch)


def _with_negatives(
    frame: pl.DataFrame, chosen: pl.DataFrame, texts: Texts, count: int, *, keep_short: bool
) -> pl.DataFrame:
    query_id, _, *others = frame.columns
    found = frame.join(chosen, left_on=query_id, right_on="query_id", how="left", maintain_order="left")
    columns = triplet(count).names()
    for at, name in enumerate(columns[2:]):
        document_ids, own = (found[column].list.get(at, null_on_oob=True) for column in (_IDS, _TEXTS))
        text = pl.select(pl.coalesce(texts.gather(document_ids), own.cast(pl.String))).to_series()
        found = found.with_columns(text.alias(name))
    if not keep_short:
        found = found.filter(pl.col(columns[-1]).is_not_null())
    return found.select(*columns, *(name for name in others if name not in columns))
