"""Evaluation of anything that ranks a corpus's documents: a bi-encoder, BM25, a re-ranker, or a TREC run file.

judged(corpus folder, split) -> retrieve(searcher, ...) or read_run(...) -> evaluate(...) -> write_evaluation(...)
"""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from hnhub.corpus.load import resolve
from hnhub.corpus.opened import Corpus, open_source
from hnhub.errors import InputError
from hnhub.learn.metrics import DEFAULT_MEASURES, Scores, score
from hnhub.learn.runs import Run, run_of_matrix, without, without_same_id, write_run
from hnhub.stages import write_atomically
from hnhub.text.table import html_table, text_table

__all__ = [
    "Evaluation",
    "Judged",
    "Searcher",
    "depth_for",
    "evaluate",
    "judged",
    "open_split",
    "retrieve",
    "split_of",
    "write_evaluation",
]

log = logging.getLogger(__name__)


class Searcher(Protocol):
    """Anything that ranks documents for texts."""

    @property
    def document_ids(self) -> Sequence[str]:
        """Every document's id."""

    def search(self, texts: Sequence[str], k: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Positions in `document_ids` and scores of the best k for each text, shape [len(texts), k], padded with -1."""


@dataclass(frozen=True)
class Judged:
    """The judged queries of one split of a corpus."""

    corpus: str
    revision: str
    split: str
    documents: Path
    query_ids: tuple[str, ...]
    """In the order of the qrels."""
    texts: tuple[str, ...]
    qrels: Mapping[str, Mapping[str, int]]
    drop_same_id: bool = False
    """Drop a document that bears its query's id, as BEIR does where queries are documents of the corpus."""
    excluded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Query id -> documents that are left out of its ranking, as BRIGHT says it of some."""

    @property
    def relevant_ids(self) -> dict[str, list[str]]:
        """Query id -> ids of its relevant documents."""
        return {q: [d for d, gain in found.items() if gain > 0] for q, found in self.qrels.items()}


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What was measured of one model on one corpus, over every judged query of a split."""

    model: str
    judged: Judged
    scores: Scores
    run: Run
    contaminated: frozenset[str] | None = None
    """Judged queries whose relevant documents were seen in training; None if no training set was named."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Model revision, prefixes, depth: whatever the figures depend on."""

    @property
    def measures(self) -> dict[str, float]:
        """Measure -> its mean over all judged queries, in the order in which they were asked for."""
        return self.scores.means()

    def __getitem__(self, measure: str) -> float:
        """The mean of a measure, by the name under which it was asked for. Raises KeyError."""
        return self.measures[measure]

    def to_frame(self) -> pl.DataFrame:
        """A row a judged query: query_id, each measure, and `contaminated` if training data was named."""
        table = pl.DataFrame({"query_id": list(self.scores.query_ids), **self.scores.values})
        if self.contaminated is None:
            return table
        return table.with_columns(pl.col("query_id").is_in(list(self.contaminated)).alias("contaminated"))

    def __repr__(self) -> str:
        return f"{self._title()}\n{text_table(self._rows())}"

    def _repr_html_(self) -> str:
        return html_table(self._rows(), self._title())

    def _title(self) -> str:
        return f"{self.model} on {self.judged.corpus}, {self.judged.split}: {len(self.scores.query_ids):,} queries"

    def _rows(self) -> list[tuple[str, ...]]:
        clean = self.as_json().get("clean")
        if not clean or clean["metrics"] is None:
            return [("measure", "all"), *((name, f"{value:.4f}") for name, value in self.measures.items())]
        return [
            ("measure", "all", f"clean ({clean['queries']:,})"),
            *((name, f"{value:.4f}", f"{clean['metrics'][name]:.4f}") for name, value in self.measures.items()),
        ]

    def as_json(self) -> dict[str, Any]:
        """The figures, as plain data; `clean` is the same without the contaminated queries."""
        result: dict[str, Any] = {
            "model": self.model,
            "corpus": self.judged.corpus,
            "corpus_revision": self.judged.revision,
            "split": self.judged.split,
            "queries": len(self.scores.query_ids),
            "settings": dict(self.settings),
            "metrics": self.scores.means(),
        }
        if self.contaminated is not None:
            clean = np.array([query_id not in self.contaminated for query_id in self.scores.query_ids])
            result["contaminated_queries"] = int((~clean).sum())
            result["clean"] = {
                "queries": int(clean.sum()),
                "metrics": {name: float(values[clean].mean()) for name, values in self.scores.values.items()}
                if clean.any()
                else None,
            }
        return result


def open_split(name: str, split: str, folder: Path | None = None) -> Judged:
    """Find a corpus as `hnhub build` does, load it once into the cache below `home()`, and take a split of it."""
    return split_of(open_source(resolve(name, folder)), split)


def split_of(corpus: Corpus, split: str) -> Judged:
    """The judged queries of a split. Raises InputError if there are none."""
    found = judged(corpus.folder, split, name=corpus.name, revision=corpus.revision, drop_same_id=corpus.drop_same_id)
    # The catalog knows it of its corpora; of any other its texts tell.
    return found if corpus.source.spec else replace(found, drop_same_id=_queries_are_documents(found))


def judged(corpus: Path, split: str, *, name: str, revision: str, drop_same_id: bool = False) -> Judged:
    """Take a split of a corpus stage folder. Raises InputError if it has no judgements or lacks a query's text."""
    qrels = pl.read_parquet(corpus / "qrels.parquet")
    found = qrels.filter(pl.col("split") == split)
    if found.is_empty():
        splits = ", ".join(qrels["split"].unique(maintain_order=True))
        do = f"use one of: {splits}" if splits else "give queries and qrels with the documents"
        raise InputError(f"{name}: has no judgements in split {split!r}", do=do)
    mapping: dict[str, dict[str, int]] = {}
    for query_id, document_id, gain in found.select("query_id", "document_id", "score").iter_rows():
        mapping.setdefault(query_id, {})[document_id] = gain
    queries = pl.read_parquet(corpus / "queries.parquet", columns=["split", "query_id", "text"])
    texts = dict(queries.filter(pl.col("query_id").is_in(list(mapping))).select("query_id", "text").iter_rows())
    if missing := [query_id for query_id in mapping if query_id not in texts]:
        raise InputError(f"{name}: judged query {missing[0]!r} has no text", do="load the corpus again")
    ids = tuple(mapping)
    found_texts = tuple(texts[query_id] for query_id in ids)
    documents = corpus / "documents.parquet"
    return Judged(name, revision, split, documents, ids, found_texts, mapping, drop_same_id, _excluded(corpus))


def _excluded(corpus: Path) -> Mapping[str, frozenset[str]]:
    if not (corpus / "excluded.parquet").is_file():
        return {}
    pairs = pl.read_parquet(corpus / "excluded.parquet").group_by("query_id", maintain_order=True).all()
    return {query_id: frozenset(ids) for query_id, ids in pairs.iter_rows()}


def _queries_are_documents(queries: Judged) -> bool:
    """True if some query's text is that of the document that bears its id, as in ArguAna under any name."""
    asked = pl.LazyFrame({"document_id": queries.query_ids, "query": queries.texts})
    found = pl.scan_parquet(queries.documents).join(asked, on="document_id")
    same = pl.col("text").str.strip_chars() == pl.col("query").str.strip_chars()
    return bool(found.filter(same).select(pl.len()).collect(engine="streaming").item())


def depth_for(measures: Sequence[str]) -> int:
    """How many documents a query must be retrieved for: the largest cut-off, at least 100; 1000 if one has no cut-off."""
    cutoffs = [
        int(tail) if tail.isdigit() else 1000 for _, _, tail in (measure.rpartition("@") for measure in measures)
    ]
    return max(100, *cutoffs)


def retrieve(searcher: Searcher, queries: Judged, depth: int) -> Run:
    """Search for every query of the split; documents of the query's own id are dropped where the corpus asks for it."""
    left_out = queries.drop_same_id + max(map(len, queries.excluded.values()), default=0)
    documents, scores = searcher.search(queries.texts, min(depth + left_out, len(searcher.document_ids)))
    return _allowed(run_of_matrix(queries.query_ids, documents, scores, searcher.document_ids), queries)


def evaluate(
    run: Run,
    queries: Judged,
    *,
    model: str,
    measures: Sequence[str] = DEFAULT_MEASURES,
    contaminated: Collection[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Score a run over every judged query of the split, also those that the run lacks.

    Raises InputError if the run shares no query with the split: it is then another corpus's.
    """
    if not set(run.query_ids) & set(queries.query_ids):
        raise InputError(
            f"{model}: none of its {len(run.query_ids)} queries is judged in {queries.corpus}, split {queries.split}",
            do="give the run of this corpus and split",
        )
    run = _allowed(run, queries)
    scores = score(queries.qrels, run, measures)
    seen = None if contaminated is None else frozenset(contaminated) & set(queries.query_ids)
    return Evaluation(model, queries, scores, run, seen, settings or {})


def _allowed(run: Run, queries: Judged) -> Run:
    """The run without what the corpus leaves out of a query's ranking."""
    if queries.drop_same_id:
        run = without_same_id(run)
    return without(run, queries.excluded) if queries.excluded else run


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write `evaluation.json`, `scores.parquet` (per query) and `run.trec` into `folder`.

    Where an id holds white space (a file's name, say) there is no `run.trec`, and a warning says so: the figures do not need it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    evaluation.to_frame().write_parquet(folder / "scores.parquet")
    try:
        write_run(folder / "run.trec", evaluation.run, tag=evaluation.model)
    except InputError:
        corpus = evaluation.judged.corpus
        log.warning("%s on %s: is kept without run.trec, since ids hold white space", evaluation.model, corpus)
    text = json.dumps(evaluation.as_json(), indent=1, sort_keys=True, ensure_ascii=False)
    write_atomically(folder / "evaluation.json", text + "\n")
