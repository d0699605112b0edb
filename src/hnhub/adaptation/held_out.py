"""The held-out set in BEIR layout: every passage of the corpus, and the queries that were written from the test part."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from hnhub.records import contents
from hnhub.text.similarity import near_pairs

__all__ = ["README", "make_held_out"]

README = """\
---
configs:
- config_name: corpus
  data_files: [{split: corpus, path: corpus.jsonl}]
- config_name: queries
  data_files: [{split: queries, path: queries.jsonl}]
- config_name: default
  data_files: [{split: test, path: qrels/test.jsonl}]
---
A held-out set of queries that a model wrote, in BEIR's layout. `datasets` and mteb read it as it lies here, or from the Hub.
"""


def make_held_out(out: Path, corpus: Path, queries: Path) -> dict[str, Any]:
    """Write corpus.jsonl, queries.jsonl, qrels/test.tsv (and .jsonl) and a README that names them into `out`; return the facts.

    `corpus` is a corpus stage's folder, `queries` frozen queries. A query's positives are relevant, and so are their copies and near
    copies anywhere in the corpus: whoever finds those is right.
    """
    pl.scan_parquet(corpus / "documents.parquet").rename({"document_id": "_id"}).collect().write_ndjson(
        out / "corpus.jsonl"
    )
    frozen = pl.read_parquet(queries)
    lines = [
        json.dumps(
            {
                "_id": query_id,
                "text": query,
                "metadata": {"style": provenance["style"], "model": provenance["model"]},
            },
            ensure_ascii=False,
        )
        for query_id, query, provenance in frozen.select("query_id", "query", "provenance").iter_rows()
    ]
    (out / "queries.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    copies = _copies(corpus, sorted({one for ids in frozen["positive_ids"] for one in ids}))
    judged = [
        (query_id, document_id)
        for query_id, ids in frozen.select("query_id", "positive_ids").iter_rows()
        for document_id in dict.fromkeys([*ids, *(copy for one in ids for copy in copies.get(one, []))])
    ]
    (out / "qrels").mkdir()
    text = "".join(f"{query_id}\t{document_id}\t1\n" for query_id, document_id in judged)
    # The same for `datasets`, which reads all of a folder's configs by one format.
    rows = [json.dumps({"query-id": query, "corpus-id": document, "score": 1}) for query, document in judged]
    (out / "qrels" / "test.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (out / "README.md").write_text(README, encoding="utf-8")
    (out / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{text}", encoding="utf-8")
    return {
        "queries": len(frozen),
        "judgements": len(judged),
        "near_copies": len(judged) - sum(map(len, frozen["positive_ids"])),
        "styles": dict(sorted(Counter(one["style"] or "" for one in frozen["provenance"]).items())),
    }


def _copies(corpus: Path, wanted: list[str]) -> dict[str, list[str]]:
    """The documents that equal or nearly equal one of `wanted`, by its id, in document order."""
    frame = pl.read_parquet(corpus / "documents.parquet")
    ids = frame["document_id"].to_list()
    texts = [contents(title, text) for title, text in frame.select("title", "text").iter_rows()]
    place = {document_id: at for at, document_id in enumerate(ids)}
    found: dict[str, list[str]] = {}
    for i, j, _ in near_pairs([texts[place[one]] for one in wanted], texts):
        if ids[j] != wanted[i]:
            found.setdefault(wanted[i], []).append(ids[j])
    return found
