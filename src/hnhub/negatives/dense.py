"""Candidates by a bi-encoder: the documents whose vectors lie nearest to the query's, found exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hnhub.encode.models import resolve
from hnhub.errors import InputError
from hnhub.negatives._ranked import read_queries, writing
from hnhub.records import Provenance

__all__ = ["identity", "make_candidates"]

_QUERIES = 4096


def identity(bi_encoder: str) -> dict[str, str]:
    """Model and revision, for the stage's fingerprint, without loading it. Raises as encode.models.resolve."""
    return resolve(bi_encoder).identity()


def make_candidates(
    out: Path,
    work: Path,
    *,
    documents: Path,
    queries: Path,
    depth: int,
    bi_encoder: str,
    corpus_revision: str,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
) -> dict[str, Any]:
    """Write the `depth` nearest documents of each query and its positive; the score is cosine or dot product.

    Prompts default to the model's own. Embeddings are kept in `work` as they are made. Raises InputError if a positive is not
    among the documents.
    """
    from hnhub.encode.encoder import Encoder
    from hnhub.encode.shards import embed_documents
    from hnhub.encode.topk import top_k

    frozen = read_queries(queries)
    ids = pl.read_parquet(documents, columns=["document_id"])["document_id"]
    positives = _places(frozen["positive_id"], ids, documents)
    encoder = Encoder(bi_encoder, query_prompt=query_prompt, document_prompt=document_prompt)
    embeddings = embed_documents(encoder, documents, work)
    provenance = Provenance(
        method="dense", model=encoder.ref.name, revision=encoder.ref.revision, corpus_revision=corpus_revision
    )
    with writing(out, provenance) as writer:
        for start in range(0, len(frozen), _QUERIES):
            part = frozen.slice(start, _QUERIES)
            positive = positives[start : start + _QUERIES]
            vectors = encoder.encode_queries(part["query"].to_list())
            found, scores = top_k(vectors, embeddings.chunks(), depth, device=encoder.device)
            own = (vectors * embeddings.take(positive)).sum(axis=1)
            writer.add(_rows(part, ids, found=found, scores=scores, positives=positive, own=own))
    sample = pl.scan_parquet(documents).head(64).collect()
    return {
        "method": "dense",
        **encoder.identity(),
        "dimension": encoder.dimension,
        "least_cosine_to_float32": round(encoder.cosine_to_float32(sample["text"].to_list()), 4),
        "depth": depth,
        "queries": len(frozen),
        "documents": len(ids),
        "rows": writer.rows,
        "positives_retrieved": writer.positives_retrieved,
    }


def _rows(
    queries: pl.DataFrame,
    ids: pl.Series,
    *,
    found: NDArray[np.int64],
    scores: NDArray[np.float32],
    positives: NDArray[np.int64],
    own: NDArray[np.float32],
) -> pl.DataFrame:
    """The retrieved documents by rank; after them, without a rank, the positive where it is not among them."""
    missing = ~(found == positives[:, None]).any(axis=1)
    count, depth = found.shape
    places = np.column_stack([found, np.where(missing, positives, -1)])
    ranks = np.tile(np.append(np.arange(1, depth + 1), 0), count)
    flat = pl.DataFrame(
        {
            "query_id": queries["query_id"].gather(np.repeat(np.arange(count), depth + 1)),
            "place": places.ravel(),
            "label": (places == positives[:, None]).ravel().astype(np.int8),
            "rank": ranks,
            "score": np.column_stack([scores, own]).ravel(),
        }
    ).filter(pl.col("place") >= 0)
    return flat.with_columns(
        ids.gather(flat["place"]).alias("document_id"), pl.when(pl.col("rank") > 0).then(pl.col("rank")).alias("rank")
    )


def _places(wanted: pl.Series, ids: pl.Series, documents: Path) -> NDArray[np.int64]:
    places = pl.DataFrame({"id": wanted}).join(
        pl.DataFrame({"id": ids}).with_row_index("place"), on="id", how="left", maintain_order="left"
    )
    lost = places.filter(pl.col("place").is_null())
    if len(lost):
        raise InputError(
            f"{documents}: has no document {lost['id'][0]}, a query's positive", do="make the queries again"
        )
    return places["place"].cast(pl.Int64).to_numpy()
