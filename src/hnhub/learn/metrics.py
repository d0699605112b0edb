"""Retrieval measures that equal trec_eval's, counted from string ids without sorting a run.

nDCG, P, Recall, MRR and MAP depend only on the ranks of the relevant documents, so only those are computed: a relevant
document's rank is one plus the number of documents that precede it. trec_eval's order: single-precision score, highest
first; of equal scores the id that is greater byte by byte first. Every judged query counts; one that is absent from the
run, or without a relevant document, scores 0. A judgement above 0 is relevant, and is nDCG's gain (Jarvelin and
Kekalainen 2002, as trec_eval's ndcg_cut: gain / log2(rank + 1)).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hnhub.errors import InputError, MissingExtra, UsageError
from hnhub.learn.runs import Run

__all__ = ["DEFAULT_MEASURES", "Hits", "Scores", "check_measures", "find_hits", "score"]

DEFAULT_MEASURES = ("nDCG@10", "P@10", "Recall@100")
"""The paper's."""

_NATIVE = {
    # what a user may write: our name
    "nDCG": "nDCG", "NDCG": "nDCG", "ndcg": "nDCG", "P": "P", "Precision": "P", "R": "Recall", "Recall": "Recall",
    "RR": "MRR", "MRR": "MRR", "AP": "MAP", "MAP": "MAP",
}  # fmt: skip
_IR_MEASURES = {"MRR": "RR", "MAP": "AP", "Recall": "R", "Precision": "P"}

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Hits:
    """Where the relevant documents of every judged query stand in a run."""

    query_ids: tuple[str, ...]
    """Every judged query, in the order of the qrels; shape [q]."""
    query: Integers
    """Shape [h]: position in `query_ids`, ascending."""
    rank: Integers
    """Shape [h]: from 1, ascending within a query."""
    gain: Integers
    """Shape [h]: the judgement, at least 1."""
    ideal_query: Integers
    """Shape [r], over every relevant document, retrieved or not; ascending."""
    ideal_gain: Integers
    """Shape [r], descending within a query."""

    @property
    def relevant(self) -> Integers:
        """Shape [q]: how many relevant documents a query has."""
        return np.bincount(self.ideal_query, minlength=len(self.query_ids))


@dataclass(frozen=True)
class Scores:
    """Measures per query."""

    query_ids: tuple[str, ...]
    values: Mapping[str, Floats]
    """Measure, as the caller named it, -> shape [q]."""

    def means(self) -> dict[str, float]:
        """Each measure's mean over all judged queries."""
        return {measure: float(values.mean()) for measure, values in self.values.items()}


def score(
    qrels: Mapping[str, Mapping[str, int]],
    run: Run | Mapping[str, Mapping[str, float]],
    measures: Sequence[str] = DEFAULT_MEASURES,
) -> Scores:
    """Score a run per judged query. Measures beyond this module's five are computed by `ir_measures`.

    Raises UsageError for an unknown measure, MissingExtra if it takes ir_measures and that is not installed, InputError
    if nothing is judged.
    """
    if not qrels:
        raise InputError("no judged query", do="choose a split with judgements")
    native = {measure: parsed for measure in measures if (parsed := _parse(measure))}
    others = _others(measures)
    values = _score_others(qrels, run, others) if others else {}
    hits = find_hits(qrels, run)
    values |= {measure: _FUNCTIONS[name](hits, cutoff) for measure, (name, cutoff) in native.items()}
    return Scores(hits.query_ids, {measure: values[measure] for measure in measures})


def check_measures(measures: Sequence[str]) -> None:
    """Before any work: raises UsageError for an unknown measure, MissingExtra if one takes ir_measures, which is not installed."""
    _others(measures)


def find_hits(qrels: Mapping[str, Mapping[str, int]], run: Run | Mapping[str, Mapping[str, float]]) -> Hits:
    """Rank the relevant documents. `run` maps query ids to documents' scores, or is a `Run`."""
    found = list(_ranks_in_run(qrels, run) if isinstance(run, Run) else _ranks_in_mapping(qrels, run))
    query = np.repeat([number for number, _, _ in found], [len(rank) for _, rank, _ in found]).astype(np.int64)
    rank = np.concatenate([np.empty(0, np.int64), *(rank for _, rank, _ in found)])
    gain = np.fromiter((gain for _, _, gains in found for gain in gains), np.int64, len(rank))
    order = np.lexsort([rank, query])
    ideal = [sorted((gain for gain in judged.values() if gain > 0), reverse=True) for judged in qrels.values()]
    ideal_query = np.repeat(np.arange(len(ideal)), [len(gains) for gains in ideal])
    ideal_gain = np.fromiter((gain for gains in ideal for gain in gains), np.int64, len(ideal_query))
    return Hits(tuple(qrels), query[order], rank[order], gain[order], ideal_query, ideal_gain)


def _ranks_in_mapping(
    qrels: Mapping[str, Mapping[str, int]], run: Mapping[str, Mapping[str, float]]
) -> Iterator[tuple[int, Integers, Sequence[int]]]:
    for number, (query_id, judged) in enumerate(qrels.items()):
        ranking = run.get(query_id, {})
        found = [document_id for document_id, gain in judged.items() if gain > 0 and document_id in ranking]
        if not found:
            continue
        scores = np.fromiter(ranking.values(), np.float32, len(ranking))
        own = np.array([ranking[document_id] for document_id in found], np.float32)
        rank, tied = _ranks(scores, own)
        for i in tied:
            rivals = (document_id for document_id, same in zip(ranking, scores == own[i], strict=True) if same)
            rank[i] += sum(rival > found[i] for rival in rivals)
        yield number, rank, [judged[document_id] for document_id in found]


def _ranks_in_run(qrels: Mapping[str, Mapping[str, int]], run: Run) -> Iterator[tuple[int, Integers, Sequence[int]]]:
    wanted = {document_id for judged in qrels.values() for document_id, gain in judged.items() if gain > 0}
    positions = {document_id: i for i, document_id in enumerate(run.document_ids) if document_id in wanted}
    places = {query_id: i for i, query_id in enumerate(run.query_ids)}
    is_relevant = np.zeros(len(run.document_ids), np.bool_)
    for number, (query_id, judged) in enumerate(qrels.items()):
        place = places.get(query_id)
        relevant = {positions[d]: gain for d, gain in judged.items() if gain > 0 and d in positions}
        if place is None or not relevant:
            continue
        part = slice(run.offsets[place], run.offsets[place + 1])
        documents, scores = run.documents[part], run.scores[part]
        wanted_here = np.fromiter(relevant, np.int64, len(relevant))
        is_relevant[wanted_here] = True
        at = is_relevant[documents].nonzero()[0]
        is_relevant[wanted_here] = False
        rank, tied = _ranks(scores, scores[at])
        for i in tied:
            rivals = (run.document_ids[d] for d in documents[scores == scores[at[i]]])
            rank[i] += sum(rival > run.document_ids[documents[at[i]]] for rival in rivals)
        yield number, rank, [relevant[document] for document in documents[at].tolist()]


def _ranks(scores: npt.NDArray[np.float32], own: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
    """One plus the number of `scores` above each of `own`; and which of `own` share their score with another."""
    ordered = scores.copy()
    ordered.sort()
    at_most = ordered.searchsorted(own, "right")
    tied = (at_most - ordered.searchsorted(own) > 1).nonzero()[0]
    return len(ordered) - at_most + 1, tied


def _sum(hits: Hits, kept: npt.NDArray[np.bool_], weights: npt.ArrayLike) -> Floats:
    """Sum of `weights` over the kept hits of each query."""
    weighed = np.broadcast_to(np.asarray(weights, np.float64), kept.shape)[kept]
    return np.bincount(hits.query[kept], weighed, len(hits.query_ids)).astype(np.float64)


def _within(hits: Hits, cutoff: int | None) -> npt.NDArray[np.bool_]:
    return hits.rank <= (cutoff or np.inf)


def _ordinal(queries: Integers) -> Integers:
    """1, 2, 3, ... within each run of equal values."""
    positions: Integers = np.arange(1, len(queries) + 1) - np.searchsorted(queries, queries)
    return positions


def _ratio(numerator: Floats, denominator: npt.NDArray[Any]) -> Floats:
    return numerator / np.where(denominator > 0, denominator, 1)  # without relevant documents the numerator is 0 too


def _ndcg(hits: Hits, cutoff: int | None) -> Floats:
    gained = _sum(hits, _within(hits, cutoff), hits.gain / np.log2(hits.rank + 1))
    position = _ordinal(hits.ideal_query)
    weights = hits.ideal_gain / np.log2(position + 1) * (position <= (cutoff or np.inf))
    return _ratio(gained, np.bincount(hits.ideal_query, weights=weights, minlength=len(hits.query_ids)))


def _precision(hits: Hits, cutoff: int | None) -> Floats:
    assert cutoff
    return _sum(hits, _within(hits, cutoff), 1) / cutoff


def _recall(hits: Hits, cutoff: int | None) -> Floats:
    return _ratio(_sum(hits, _within(hits, cutoff), 1), hits.relevant)


def _mrr(hits: Hits, cutoff: int | None) -> Floats:
    return _sum(hits, _within(hits, cutoff) & (_ordinal(hits.query) == 1), 1 / hits.rank)


def _map(hits: Hits, cutoff: int | None) -> Floats:
    return _ratio(_sum(hits, _within(hits, cutoff), _ordinal(hits.query) / hits.rank), hits.relevant)


_FUNCTIONS = {"nDCG": _ndcg, "P": _precision, "Recall": _recall, "MRR": _mrr, "MAP": _map}


def _parse(measure: str) -> tuple[str, int | None] | None:
    """Our name and cut-off, or None if the measure is ir_measures' to compute."""
    match = re.fullmatch(r"(\w+?)(?:@([1-9]\d*))?", measure)
    name = _NATIVE.get(match[1]) if match else None
    if match is None or name is None or (name in ("P", "Recall") and match[2] is None):
        return None
    return name, int(match[2]) if match[2] else None


def _others(measures: Sequence[str]) -> dict[str, Any]:
    """Those that are not ours, as ir_measures has them."""
    names = [measure for measure in measures if not _parse(measure)]
    if not names:
        return {}
    try:
        import ir_measures
    except ImportError:
        raise MissingExtra(f"ir_measures, which computes {', '.join(names)},", extra="measures") from None
    found = {}
    for name in names:
        head = re.split(r"[@(]", name)[0]
        why = "nothing that is installed computes it"
        try:
            found[name] = ir_measures.parse_measure(name.replace(head, _IR_MEASURES.get(head, head), 1))
            known = ir_measures.DefaultPipeline.supports(found[name])
        except (ValueError, NameError, AttributeError, LookupError, TypeError, AssertionError) as error:
            known, why = False, str(error)
        if not known:
            raise UsageError(f"measure {name!r}: {why}", do="use e.g. nDCG@10, or a name that ir_measures computes")
    return found


def _score_others(
    qrels: Mapping[str, Mapping[str, int]], run: Run | Mapping[str, Mapping[str, float]], measures: Mapping[str, Any]
) -> dict[str, Floats]:
    import ir_measures

    numbers = {query_id: i for i, query_id in enumerate(qrels)}
    mapping = run.as_mapping() if isinstance(run, Run) else run
    values = {}
    for name, measure in measures.items():
        values[name] = np.zeros(len(qrels))
        for result in ir_measures.iter_calc([measure], qrels, mapping):
            values[name][numbers[result.query_id]] = result.value
    return values
