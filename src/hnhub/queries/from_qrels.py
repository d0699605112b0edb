"""Queries that the corpus itself brings, with their judgements: its train split, and dev beside it."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hnhub.errors import InputError
from hnhub.queries.filter import held_out_reasons
from hnhub.queries.held_out import HeldOut
from hnhub.records import Drop, Provenance, Recipe
from hnhub.stages import fingerprint
from hnhub.text.similarity import normalise

__all__ = ["take_queries"]

log = logging.getLogger(__name__)


def take_queries(
    corpus: Path, *, recipe: Recipe, held_out: HeldOut, corpus_revision: str
) -> tuple[list[dict[str, Any]], list[Drop], dict[str, Any]]:
    """Take all judged queries, or `recipe.queries` a split; return rows of FROZEN_QUERIES in source order, drops and facts.

    Queries are drawn in a seeded order until enough have passed; the fact `left_out` counts those that were never looked at. The first of `positive_ids` is the document with the
    highest score, the first in document order among equals; the rest follow in the same order.
    Raises InputError if the corpus has neither a train split nor a dev split beside its test split.
    """
    queries = pl.read_parquet(corpus / "queries.parquet")
    splits = [
        name for name in ("train", "dev") if name not in held_out.splits and name in set(queries["split"].unique())
    ]
    if not splits:
        raise InputError(f"{corpus}: the corpus has no train queries", do="have them written: --queries-from llm")
    positives = _positives(corpus)
    provenance = asdict(Provenance("qrels", corpus_revision=corpus_revision))
    rows: list[dict[str, Any]] = []
    drops: list[Drop] = []
    drawn = 0
    left_out: dict[str, int] = {}
    seen: dict[str, str] = {}
    for split in splits:
        judged = queries.filter(pl.col("split") == split).join(
            positives, on=["split", "query_id"], maintain_order="left"
        )
        seed = int(fingerprint({"seed": recipe.seed, "queries": split})[:16], 16)
        order = np.random.default_rng(seed).permutation(len(judged)).tolist()
        limit = len(order) if recipe.query_limit is None else recipe.query_limit
        chosen: list[int] = []
        while order and len(chosen) < limit:
            block, order = order[: limit - len(chosen)], order[limit - len(chosen) :]
            drawn += len(block)
            texts = judged[block]["text"].to_list()
            for at, text, leak in zip(block, texts, held_out_reasons(texts, held_out), strict=True):
                query_id, key = judged["query_id"][at], normalise(text)
                reason = leak
                if not key:
                    reason = ("empty", "")
                elif key in seen:
                    reason = leak or ("duplicate", seen[key])
                if reason:
                    drops.append(Drop("queries", reason[0], query_id=query_id, detail=reason[1] or None))
                else:
                    seen[key] = query_id
                    chosen.append(at)
        if order:
            log.warning("%s: %s beyond --queries %d", split, f"{len(order):,}", limit)
            left_out[split] = len(order)
        rows += [
            {
                "split": split,
                "query_id": row["query_id"],
                "query": row["text"],
                "positive_ids": row["positive_ids"],
                "provenance": provenance,
            }
            for row in judged[sorted(chosen)].iter_rows(named=True)
        ]
    positive_ids = {document_id for row in rows for document_id in row["positive_ids"]}
    shared = len(positive_ids & set(held_out.positives["document_id"]))
    facts = {"drawn": drawn, "positives_judged_in_held_out": shared, "left_out": left_out}
    return rows, drops, facts


def _positives(corpus: Path) -> pl.DataFrame:
    """Split, query_id and the ids of the documents judged over 0, the best first, then in document order."""
    order = pl.scan_parquet(corpus / "documents.parquet").select("document_id").with_row_index("row")
    return (
        pl.scan_parquet(corpus / "qrels.parquet")
        .filter(pl.col("score") > 0)
        .join(order, on="document_id")
        .sort("score", "row", descending=[True, False])
        .group_by("split", "query_id", maintain_order=True)
        .agg(pl.col("document_id").alias("positive_ids"))
        .collect()
    )
