"""Queries that the corpus itself brings, with their judgements: its train split, and dev beside it."""

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


def take_queries(
    corpus: Path, *, recipe: Recipe, held_out: HeldOut, corpus_revision: str
) -> tuple[list[dict[str, Any]], list[Drop], dict[str, Any]]:
    """Sample `recipe.queries` judged queries a split; return rows of FROZEN_QUERIES in source order, drops and facts.

    Queries are drawn in a seeded order until enough have passed. The first of `positive_ids` is the document with the
    highest score, the first in document order among equals; the rest follow in the same order.
    Raises InputError if the corpus has neither a train split nor a dev split beside its test split.
    """
    queries = pl.read_parquet(corpus / "queries.parquet")
    splits = [name for name in ("train", "dev") if name != held_out.split and name in set(queries["split"].unique())]
    if not splits:
        raise InputError(f"{corpus}: the corpus has no train queries", do="have them written: --queries-from llm")
    positives = _positives(corpus)
    provenance = asdict(Provenance("qrels", corpus_revision=corpus_revision))
    rows: list[dict[str, Any]] = []
    drops: list[Drop] = []
    drawn = 0
    seen: dict[str, str] = {}
    for split in splits:
        judged = queries.filter(pl.col("split") == split).join(
            positives, on=["split", "query_id"], maintain_order="left"
        )
        seed = int(fingerprint({"seed": recipe.seed, "queries": split})[:16], 16)
        order = np.random.default_rng(seed).permutation(len(judged)).tolist()
        chosen: list[int] = []
        while order and len(chosen) < recipe.queries:
            block, order = order[: recipe.queries - len(chosen)], order[recipe.queries - len(chosen) :]
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
    firsts = {row["positive_ids"][0] for row in rows}
    shared = len(firsts & set(held_out.positives["document_id"]))
    return rows, drops, {"drawn": drawn, "positives_judged_in_held_out": shared}


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
