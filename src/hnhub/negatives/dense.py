"""Candidates by a bi-encoder: the documents whose vectors lie nearest to the query's."""

import logging
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hnhub.encode import presets
from hnhub.encode.shards import Embeddings, embed_shard, shard_count
from hnhub.errors import InputError
from hnhub.negatives._parts import make_parts
from hnhub.negatives._ranked import read_queries, writing
from hnhub.negatives.mining import Mining
from hnhub.records import Precision, Provenance, contents
from hnhub.stages import fingerprint

if TYPE_CHECKING:
    from hnhub.encode.encoder import Encoder

__all__ = ["DEFAULT_BI_ENCODER", "identity", "make_candidates"]

DEFAULT_BI_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
"""Where a recipe names none."""

log = logging.getLogger(__name__)

_QUERIES = 4096
_SAMPLE = 200
"""Queries that an approximate search's recall is measured on."""


def identity(bi_encoder: str) -> dict[str, str]:
    """Model, revision and prompts, for the stage's fingerprint, without loading it. Raises as encode.models.resolve."""
    return presets.identity(bi_encoder)


def make_candidates(out: Path, work: Path, mining: Mining) -> dict[str, Any]:
    """Write the `depth` nearest documents of each query and its positive; the score is cosine or dot product.

    Search is exact unless an index of `faiss` is named (`encode.approximate`); then its recall is measured.

    Prompts are the model's own, else its preset's. Embeddings are kept in `work` as they are made. Raises InputError if a
    positive is not among the documents or the engine's workers compute in different dtypes.
    """
    documents, queries, engine = mining.documents, mining.queries, mining.engine
    depth, faiss = mining.recipe.depth, mining.recipe.faiss
    bi_encoder, precision = mining.recipe.bi_encoder or DEFAULT_BI_ENCODER, mining.recipe.precision
    ids = pl.read_parquet(documents, columns=["document_id"])["document_id"]
    _places(read_queries(queries)["positive_id"], ids, documents)  # refused before work
    (about,) = engine.map(partial(_describe, bi_encoder, precision, documents, faiss), 1, gpu=True)
    if about["dtype"] != "float32":
        log.log(
            logging.INFO if precision == "auto" else logging.WARNING,
            "%s in %s: of a sample of the documents, %.1f %% of float32's nearest stay the nearest (least cosine %.4f)",
            about["model"],
            about["dtype"],
            100 * about["neighbours_kept"],
            about["least_cosine_to_float32"],
        )
    embed = partial(_embed, bi_encoder, precision, documents, work)
    embeddings, *others = dict.fromkeys(engine.map(embed, shard_count(documents), gpu=True))
    index, measured = None, dict[str, Any]()
    if faiss:
        make_index = partial(
            _index,
            bi_encoder=bi_encoder,
            precision=precision,
            embeddings=embeddings,
            queries=queries,
            faiss=faiss,
            depth=depth,
        )
        ((index, measured),) = engine.map(make_index, 1, gpu=True)
    search = partial(
        _search,
        bi_encoder=bi_encoder,
        precision=precision,
        index=index,
        embeddings=embeddings,
        documents=documents,
        queries=queries,
        depth=depth,
        corpus_revision=mining.corpus_revision,
    )
    dtype = partial(_dtype, bi_encoder, precision)
    parts = make_parts(out, work, search, queries=queries, size=_QUERIES, engine=engine, about=dtype, gpu=True)
    if others or any(part["dtype"] != about["dtype"] for part in parts):
        raise InputError(
            f"{bi_encoder}: workers encode in different dtypes", do="use workers with one kind of GPU, or without"
        )
    totals = {name: sum(part[name] for part in parts) for name in ("queries", "rows", "positives_retrieved")}
    return {"method": "dense", **about, **measured, "depth": depth, "documents": embeddings.rows, **totals}


def _encoder(bi_encoder: str, precision: Precision) -> "Encoder":
    """Loaded once in every process that makes parts."""
    return _loaded(bi_encoder, precision, identity(bi_encoder)["revision"])


@lru_cache(1)
def _loaded(bi_encoder: str, precision: Precision, revision: str) -> "Encoder":
    from hnhub.encode.devices import chosen_dtype
    from hnhub.encode.encoder import Encoder

    del revision  # only for the cache: a folder may hold other weights by now
    # In 8 bits too few neighbours stay (docs/performance_limits.md).
    return Encoder(bi_encoder, dtype=None if precision == "int8" else chosen_dtype(precision))


def _dtype(bi_encoder: str, precision: Precision) -> dict[str, object]:
    return {"dtype": _encoder(bi_encoder, precision).dtype}


def _describe(bi_encoder: str, precision: Precision, documents: Path, faiss: str | None, _: int) -> dict[str, Any]:
    encoder = _encoder(bi_encoder, precision)
    if faiss:
        from hnhub.encode.approximate import check_factory

        check_factory(faiss, encoder.dimension)
    sample = [
        contents(*row) for row in pl.scan_parquet(documents).select("title", "text").head(64).collect().iter_rows()
    ]
    return {
        **encoder.identity(),
        "dimension": encoder.dimension,
        **encoder.agreement(sample),
    }


def _embed(bi_encoder: str, precision: Precision, documents: Path, work: Path, shard: int) -> Embeddings:
    return embed_shard(_encoder(bi_encoder, precision), documents, work, shard)


def _index(
    _: int, *, bi_encoder: str, precision: Precision, embeddings: Embeddings, queries: Path, faiss: str, depth: int
) -> tuple[Path, dict[str, Any]]:
    """Build the index, unless it is there, and hold it against exact search for some of the queries."""
    from hnhub.encode.approximate import approximate_top_k, build_index, recall
    from hnhub.encode.topk import top_k

    path = embeddings.folder / f"{fingerprint({'faiss': faiss})[:16]}.faiss"
    if not path.exists():
        build_index(embeddings, faiss, path)
    asked = read_queries(queries)["query"]
    encoder = _encoder(bi_encoder, precision)
    vectors = encoder.encode_queries(asked.gather_every(max(1, len(asked) // _SAMPLE)).to_list())
    exact, _scores = top_k(vectors, embeddings.chunks(), depth, device=encoder.device)
    found, _scores = approximate_top_k(vectors, embeddings, depth, path)
    return path, {"faiss": faiss, "recall": round(recall(exact, found), 4), "recall_queries": len(vectors)}


def _search(
    out: Path,
    _: Path,
    part: slice,
    *,
    bi_encoder: str,
    precision: Precision,
    index: Path | None,
    embeddings: Embeddings,
    documents: Path,
    queries: Path,
    depth: int,
    corpus_revision: str,
) -> dict[str, Any]:
    from hnhub.encode.approximate import approximate_top_k
    from hnhub.encode.topk import top_k

    encoder = _encoder(bi_encoder, precision)
    asked = read_queries(queries)[part]
    ids = pl.read_parquet(documents, columns=["document_id"])["document_id"]
    positives = _places(asked["positive_id"], ids, documents)
    provenance = Provenance(
        method="dense", model=encoder.ref.name, revision=encoder.ref.revision, corpus_revision=corpus_revision
    )
    vectors = encoder.encode_queries(asked["query"].to_list())
    if index:
        found, scores = approximate_top_k(vectors, embeddings, depth, index)
    else:
        found, scores = top_k(vectors, embeddings.chunks(), depth, device=encoder.device)
    own = (vectors * embeddings.take(positives)).sum(axis=1)
    with writing(out, provenance) as writer:
        writer.add(_rows(asked, ids, found=found, scores=scores, positives=positives, own=own))
    totals = {"queries": len(asked), "rows": writer.rows, "positives_retrieved": writer.positives_retrieved}
    return {"dtype": encoder.dtype, **totals}


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
