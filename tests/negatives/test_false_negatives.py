"""On SciFact's train queries: BM25's top 10 holds documents that are relevant; what the guard lets through holds none."""

from pathlib import Path

import polars as pl

from hnhub.corpus.load import make_corpus, resolve
from hnhub.negatives import bm25
from hnhub.negatives.choose import make_negatives
from hnhub.negatives.mining import Mining
from hnhub.queries.make import make_queries
from hnhub.records import Recipe, contents
from hnhub.text.similarity import NEAR, similarity


def test_scifact(beir: Path, home: Path, tmp_path: Path) -> None:
    corpus, queries, mined, out = (tmp_path / name for name in ("corpus", "queries", "mined", "out"))
    for folder in (corpus, queries, mined, out):
        folder.mkdir()
    make_corpus(corpus, resolve("scifact", beir / "scifact"))
    recipe = Recipe("scifact", queries=300, queries_from="qrels", depth=10)
    make_queries(queries, corpus=corpus, recipe=recipe, models=(), prompts={}, search=None, corpus_revision="r")
    bm25.make_candidates(
        mined,
        tmp_path / "work",
        Mining(
            method="bm25",
            documents=corpus / "documents.parquet",
            queries=queries / "queries.parquet",
            recipe=recipe,
            indexes=home / "bm25",
            corpus_revision="r",
        ),
    )
    make_negatives(
        out,
        method="bm25",
        candidates=mined / "candidates.parquet",
        documents=corpus / "documents.parquet",
        queries=queries / "queries.parquet",
        qrels=corpus / "qrels.parquet",
        recipe=recipe,
    )
    frozen = pl.read_parquet(queries / "queries.parquet")
    relevant = {row["query_id"]: row["positive_ids"] for row in frozen.iter_rows(named=True)}
    documents = pl.read_parquet(corpus / "documents.parquet")
    texts = {document_id: contents(title, text) for document_id, title, text in documents.iter_rows()}

    def is_false(query_id: str, document_id: str) -> bool:
        positives = relevant[query_id]
        return document_id in positives or similarity(texts[document_id], texts[positives[0]]) >= NEAR

    candidates = pl.read_parquet(out / "negatives.parquet").filter(pl.col("label") == 0)
    false = [is_false(*row) for row in candidates.select("query_id", "document_id").iter_rows()]
    assert 0.005 < sum(false) / len(false) < 0.02
    assert (candidates["verdict"] == "drop").to_list() == false
