"""Documents in three parts, whole documents at a time: to train on, to watch training by, and to be tested on.

What is nearly the same stands in one part only: a passage of train or dev that equals or nearly equals one of test, and one of
dev that does so with one of train, is left out, into the ledger.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hnhub.errors import InputError
from hnhub.records import Drop, contents, parent_of
from hnhub.schema import LEDGER, QRELS
from hnhub.stages import fingerprint
from hnhub.text.similarity import best_near

__all__ = ["PARTS", "check_apart", "make_part", "make_split"]

PARTS = pl.Schema({"document_id": pl.String, "split": pl.String})
"""`split` is train, dev or test; null for what is left out."""

_LEAST = 8
"""Passages that train and test need at least, for anything to come of it."""


def make_split(
    out: Path, corpus: Path, *, chunked: bool, judged: Collection[str], test: float, dev: float, seed: int
) -> dict[str, Any]:
    """Write parts.parquet (PARTS) and ledger.parquet into `out`; return the facts.

    `corpus` is a corpus stage's folder. `chunked`: ids tell which passages are of one document, which then goes whole into one part;
    else every passage is a document. Documents with a passage in `judged` are of the test part, which others are drawn for by the
    seed until it has its share of the passages. Raises InputError if too little is left.
    """
    frame = pl.read_parquet(corpus / "documents.parquet")
    ids = frame["document_id"].to_list()
    documents = [parent_of(one) if chunked else one for one in ids]
    sizes = Counter(documents)
    part = {document: "test" for document, one in zip(documents, ids, strict=True) if one in judged}
    order = [list(sizes)[i] for i in np.random.default_rng(_seed(seed)).permutation(len(sizes)).tolist()]
    taken = sum(sizes[document] for document in part)
    for name, share in (("test", test), ("dev", dev)):
        taken = taken if name == "test" else 0
        for document in order:
            if taken >= share * len(ids):
                break
            if document not in part:
                part[document] = name
                taken += sizes[document]
    splits: list[str | None] = [part.get(document, "train") for document in documents]
    texts = [contents(title, text) for title, text in frame.select("title", "text").iter_rows()]
    drops = [*_apart(splits, ids, texts, "dev", "train"), *_apart(splits, ids, texts, "train", "test")]
    drops += _apart(splits, ids, texts, "dev", "test")
    counts = {name: splits.count(name) for name in ("train", "dev", "test")}
    for name in ("train", "test"):
        if counts[name] < _LEAST:
            raise InputError(
                f"{corpus.name}: {counts[name]} passages are left for {name}, of {len(ids)}; it takes {_LEAST} "
                "(texts that are nearly a text of another part are in none)",
                do=f"give more documents, another --test-share{', or --judged mixed' if judged else ''}",
            )
    pl.DataFrame({"document_id": ids, "split": splits}, schema=PARTS).write_parquet(out / "parts.parquet")
    pl.DataFrame([asdict(drop) for drop in drops], schema=LEDGER).write_parquet(out / "ledger.parquet")
    return {
        "passages": counts,
        "documents": dict(Counter(part.get(document, "train") for document in sizes)),
        "judged": sum(one in judged for one in ids),
        "dropped": dict(sorted(Counter(drop.reason for drop in drops).items())),
    }


def _apart(splits: list[str | None], ids: Sequence[str], texts: Sequence[str], name: str, other: str) -> list[Drop]:
    """Take out of part `name` what equals or nearly equals a passage of `other`."""
    here, there = ([at for at, split in enumerate(splits) if split == one] for one in (name, other))
    near = best_near([texts[at] for at in here], [texts[at] for at in there])
    drops = []
    for at, found in zip(here, near, strict=True):
        if found is not None:
            splits[at] = None
            drops.append(Drop("split", f"near_{other}", document_id=ids[at], detail=f"near {ids[there[found]]}"))
    return drops


def make_part(out: Path, corpus: Path, parts: Path, splits: Sequence[str], *, name: str, facts: Any) -> dict[str, Any]:
    """Write the passages of some parts as a corpus of their own into `out`; return its facts.

    `facts` are the whole corpus's. It has no judgements, and of the queries those that are judged in it: nothing that is written may
    repeat one of them (`hnhub.queries.filter`). The ledger says what the split has left out.
    """
    chosen = pl.read_parquet(parts / "parts.parquet").filter(pl.col("split").is_in(splits))
    documents = pl.read_parquet(corpus / "documents.parquet").join(
        chosen, on="document_id", how="semi", maintain_order="left"
    )
    judged = pl.read_parquet(corpus / "qrels.parquet").select("split", "query_id").unique()
    queries = pl.read_parquet(corpus / "queries.parquet").join(
        judged, on=["split", "query_id"], how="semi", maintain_order="left"
    )
    documents.write_parquet(out / "documents.parquet")
    queries.write_parquet(out / "queries.parquet")
    pl.DataFrame(schema=QRELS).write_parquet(out / "qrels.parquet")
    (out / "ledger.parquet").write_bytes((parts / "ledger.parquet").read_bytes())
    if len(splits) > 1:
        chosen.write_parquet(out / "parts.parquet")
    own = fingerprint({"corpus": facts["revision"], "documents": documents["document_id"].to_list(), "splits": splits})
    return {
        **facts,
        "corpus": name,
        "revision": f"{facts['revision']}-{'-'.join(splits)}-{own[:12]}",
        "evaluation_splits": sorted(set(queries["split"])),
        "counts": {"documents": documents.height, "queries": {}, "qrels": 0},
        "dropped": {},
    }


def check_apart(rows: Sequence[pl.DataFrame], corpus: Path, parts: Path) -> int:
    """How many texts of training rows were compared with the test part's passages.

    Raises InputError if one of them, positive or negative, equals or nearly equals a passage of the test part.
    """
    test = pl.read_parquet(parts / "parts.parquet").filter(pl.col("split") == "test")
    frame = pl.read_parquet(corpus / "documents.parquet").join(
        test, on="document_id", how="semi", maintain_order="left"
    )
    columns = [table[name] for table in rows for name in table.columns if name != "query"]
    texts = pl.concat(columns).drop_nulls().unique(maintain_order=True).to_list()
    passages = [contents(title, text) for title, text in frame.select("title", "text").iter_rows()]
    for text, found in zip(texts, best_near(texts, passages), strict=True):
        if found is not None:
            raise InputError(
                f"a training row holds test passage {frame['document_id'][found]!r}, or nearly: {text[:60]!r}",
                do="mine negatives instead of writing them, or give another --seed",
            )
    return len(texts)


def _seed(seed: int) -> int:
    return int(fingerprint({"seed": seed, "split": "documents"})[:16], 16)
