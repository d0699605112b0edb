"""What may not be a negative: likely false negatives, copies, duplicates. Every method's candidates pass here."""

from collections.abc import Collection, Mapping, Sequence

from hnhub.negatives._copies import generated_fault
from hnhub.negatives._overlap import overlaps
from hnhub.records import parent_of
from hnhub.text.similarity import NEAR, normalise, similarity

__all__ = ["REASONS", "Judged", "Keys", "judge"]

REASONS = {
    "positive": "it is the query's first positive (of a written query: the passage that it was written from)",
    "relevant": "it is judged relevant to the query, in any split",
    "sibling": "it is a chunk of the same file as a relevant document (of a corpus that hnhub cut into chunks)",
    "empty": "nothing is left of its text without punctuation",
    "duplicate_of_relevant": "its normalised text is that of a relevant document",
    "copies_query": "its normalised text is the query's; of a generated text: a copy of it, in part or with more",
    "copies_positive": "it is nearly a positive (5-grams, Jaccard); of a generated text: or a copy of it, in part or with more",
    "overlaps_positive": "it shares a run of 200 characters (normalised) with a relevant document, as overlapping chunks do, or holds a shorter one of 40 whole",
    "duplicate": "its normalised text is that of a candidate before it",
    "near_duplicate": "a generated text that nearly equals one before it",
}
"""Why the guard drops a candidate, in the order in which it looks."""

_PROBES, _PROBE_WIDTH = 24, 9
_SHORT = 400
_FEW_FOUND, _MANY_FOUND = 2, 5  # of 8, then of the other 16


class Keys(dict[str, str]):
    """Normalised texts by document id, made when they are first needed."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__()
        self._texts = texts

    def __missing__(self, document_id: str) -> str:
        return self.setdefault(document_id, normalise(self._texts[document_id]))


class Judged:
    """A query with what is known to be relevant to it."""

    def __init__(
        self,
        query: str,
        positive_ids: Sequence[str],
        relevant: Collection[str],
        texts: Mapping[str, str],
        keys: Keys,
        *,
        chunked: bool = False,
    ) -> None:
        """`relevant` holds the ids of all relevant documents, `texts` the contents of those that the corpus has.

        `chunked`: ids are `<file>#<n>`, and the chunks of a file know each other.
        """
        self.query = query
        self.positive_id = positive_ids[0]
        self.positive = texts[self.positive_id]
        self.relevant = frozenset(relevant)
        self.query_key = normalise(query)
        self.relevant_keys = {keys[document_id] for document_id in relevant if document_id in texts}
        self.taken_keys = {*self.relevant_keys, self.query_key, ""}
        self.parents = {parent_of(document_id) for document_id in relevant} if chunked else set()
        # Of further positives only short ones: a copy of a long one shares a long run with it, which is looked for as such.
        near = [name for name in dict.fromkeys(positive_ids) if name in texts and len(keys[name]) < _SHORT]
        self.probes = [(texts[name], *_probes(keys[name])) for name in dict.fromkeys([self.positive_id, *near])]


def judge(judged: Judged, candidates: Sequence[tuple[str | None, str]], keys: Keys) -> list[str | None]:
    """For each candidate, (document id or None for a generated text, text), the reason to drop it, or None to keep it.

    Of duplicates the first is kept.
    """
    reasons: list[str | None] = []
    seen: set[str] = set()
    generated: list[str] = []
    overlapping = overlaps(
        [
            "" if document_id is None or document_id in judged.relevant else keys[document_id]
            for document_id, _ in candidates
        ],
        judged.relevant_keys,
    )
    for (document_id, text), overlap in zip(candidates, overlapping, strict=True):
        if document_id is None:
            key = normalise(text)
            reason = "duplicate_of_relevant" if key and key in judged.relevant_keys else None
            reason = reason or generated_fault(text, query=judged.query, positive=judged.positive, earlier=generated)
            generated += [] if reason else [text]
        else:
            key = keys[document_id]
            reason = _mined_fault(judged, document_id, text, key) or ("overlaps_positive" if overlap else None)
        if reason is None and key in seen:
            reason = "duplicate"
        if reason is None:
            seen.add(key)
        reasons.append(reason)
    return reasons


def _mined_fault(judged: Judged, document_id: str, text: str, key: str) -> str | None:
    sibling = bool(judged.parents) and parent_of(document_id) in judged.parents
    if not sibling and document_id not in judged.relevant and key not in judged.taken_keys:  # nearly all
        return "copies_positive" if _nearly_positive(judged, text, key) else None
    faults = {
        "positive": document_id == judged.positive_id,
        "relevant": document_id in judged.relevant,
        "sibling": sibling,
        "empty": not key,
        "duplicate_of_relevant": key in judged.relevant_keys,
        "copies_query": True,
    }
    return next(reason for reason, found in faults.items() if found)


def _nearly_positive(judged: Judged, text: str, key: str) -> bool:
    # The exact test costs half a millisecond, so it is kept for texts that hold pieces of a positive: of a text at the
    # threshold about two thirds of the probes are found, of another text on the topic hardly one.
    for positive, few, many in judged.probes:
        if (
            sum(map(key.__contains__, few)) >= min(_FEW_FOUND, len(few))
            and sum(map(key.__contains__, many)) >= min(_MANY_FOUND, len(many))
            and similarity(text, positive) >= NEAR
        ):
            return True
    return False


def _probes(key: str) -> tuple[list[str], list[str]]:
    """Pieces of a normalised text, evenly spread: a few to look for first, and more. None of a text too short for them."""
    room = len(key) - _PROBE_WIDTH
    if room < _PROBES:
        return [], []
    starts = [room * i // (_PROBES - 1) for i in range(_PROBES)]
    probes = [key[start : start + _PROBE_WIDTH] for start in starts]
    return probes[1::3], probes[::3] + probes[2::3]
