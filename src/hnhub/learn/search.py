"""What ranks documents for an evaluation: a bi-encoder's exact search, and re-ranking by a scorer of pairs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from hnhub.bm25.languages import in_language
from hnhub.bm25.open import BM25Index, open_index
from hnhub.encode.devices import devices, token_budget
from hnhub.encode.encoder import Encoder
from hnhub.encode.shards import Embeddings, embed_documents
from hnhub.encode.topk import top_k
from hnhub.learn.evaluate import Judged
from hnhub.learn.runs import Run
from hnhub.progress import count, report
from hnhub.records import BM25Settings, Precision, contents
from hnhub.score.scorers import load_scorers
from hnhub.text.language import measure

__all__ = ["DenseSearcher", "LexicalSearcher", "rerank", "score_by"]

_PAIRS = 4096


@dataclass(frozen=True)
class DenseSearcher:
    """Exact search by a bi-encoder. Embeddings are kept below `parent`, by model revision and text."""

    encoder: Encoder
    embeddings: Embeddings
    document_ids: Sequence[str]

    @classmethod
    def open(cls, encoder: Encoder, documents: Path, parent: Path) -> "DenseSearcher":
        """Encode documents.parquet, or take what is there of it."""
        ids = pl.read_parquet(documents, columns=["document_id"])["document_id"]
        return cls(encoder, embed_documents(encoder, documents, parent), ids.to_list())

    def search(self, texts: Sequence[str], k: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """As `hnhub.learn.evaluate.Searcher` has it."""
        queries = self.encoder.encode_queries(texts)
        indices, scores = top_k(queries, self.embeddings.chunks(), k, device=self.encoder.device)
        return indices.astype(np.int32), scores


@dataclass(frozen=True)
class LexicalSearcher:
    """BM25 with hnhub's defaults for the documents' language over a split's documents; the index is kept below `parent`."""

    index: BM25Index
    document_ids: Sequence[str]

    @classmethod
    def open(cls, queries: Judged, parent: Path) -> "LexicalSearcher":
        """Index the documents, or take what is there."""
        index = open_index(queries.documents, parent, in_language(BM25Settings(), measure(queries.documents).code))
        return cls(index, index.document_ids.to_pylist())

    def search(self, texts: Sequence[str], k: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """As `hnhub.learn.evaluate.Searcher` has it."""
        return self.index.search(texts, k)


def score_by(
    cross_encoder: str, precision: Precision = "auto"
) -> Callable[[Sequence[tuple[str, str]]], npt.NDArray[np.floating]]:
    """A cross-encoder as a function of pairs; `local` is query likelihood under the embedded LLM. Raises as `load_scorers`."""
    scorer = load_scorers(cross_encoder, precision)[0]
    budget = token_budget(devices()[0])

    def score(pairs: Sequence[tuple[str, str]]) -> npt.NDArray[np.floating]:
        scores = np.empty(len(pairs))
        for rows, tokens in scorer.batches(pairs, budget):
            scores[rows] = scorer.score([pairs[i] for i in rows])
            count(tokens=tokens)
        return scores

    return score


def rerank(
    run: Run, queries: Judged, score: Callable[[Sequence[tuple[str, str]]], npt.NDArray[np.floating]], depth: int
) -> Run:
    """Order each judged query's best `depth` documents anew by `score` of (query, passage) pairs; the others are left out."""
    texts = dict(zip(queries.query_ids, queries.texts, strict=True))
    asked = [(i, name) for i, name in enumerate(run.query_ids) if name in texts]
    query_ids = [name for _, name in asked]
    ranked = [run.ranking(i)[:depth] for i, _ in asked]
    wanted = {document_id for ranking in ranked for document_id, _ in ranking}
    found = pl.scan_parquet(queries.documents).filter(pl.col("document_id").is_in(list(wanted))).collect()
    passages = {document_id: contents(title, text) for document_id, title, text in found.iter_rows()}
    position = {document_id: i for i, document_id in enumerate(passages)}
    pairs = [(q, d) for q, ranking in zip(query_ids, ranked, strict=True) for d, _ in ranking]
    scores = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), _PAIRS):
        part = pairs[start : start + _PAIRS]
        scores[start : start + len(part)] = score([(texts[q], passages[d]) for q, d in part])
        report("re-ranking", start + len(part), len(pairs), unit="pairs")
    offsets = np.concatenate([[0], np.cumsum([len(ranking) for ranking in ranked])]).astype(np.int64)
    documents = np.array([position[d] for _, d in pairs], np.int32)
    return Run(query_ids, offsets, documents, scores, list(passages))
