"""Queries that ask the same in other forms: by their stemmed content words, whatever their order and small words.

A model of embeddings would see synonyms too. Those that are small enough for this (model2vec's, which semhash uses) lie on the
Hub, so a build without it could not run, and its bytes would depend on a third party's weights: words are all that is looked at.
Near-copies by characters are `hnhub.queries.filter`'s.
"""

from collections.abc import Sequence

from hnhub.bm25.analysis import analyze
from hnhub.bm25.languages import in_language
from hnhub.records import BM25Settings

__all__ = ["ALIKE", "alike_reasons", "content_words"]

ALIKE = 0.5
"""Jaccard similarity of content words from which two queries of one passage are alike.

Between passages they must be equal: one other word is often the whole difference ("deficiency of folate", "... of vitamin B12").
"""

# What asks in English; the other languages' lists of stop words have such words, BM25's English one has not.
_ASKING = """
about am any been being can could did do does from had has have how i many me might much must my our should so some than us was we
were what when where which who whom whose why would you your
"""


def content_words(query: str, language: str | None) -> frozenset[str]:
    """The stems of a query but for stop words (BM25's for the language), and in English for what only asks."""
    settings = in_language(BM25Settings(), language or "en")
    words = frozenset(analyze(query, settings))
    return words - frozenset(analyze(_ASKING, settings)) if (language or "en") == "en" else words


def alike_reasons(
    query_ids: Sequence[str], words: Sequence[frozenset[str]], passages: Sequence[frozenset[str]]
) -> list[tuple[str, str] | None]:
    """For each query why it repeats an earlier kept one, with that one's id, else None.

    `same_words`: equal content words. `not_distinct`: of the same passage (`passages` holds each query's passage ids), and alike.
    """
    by_words: dict[frozenset[str], str] = {}
    by_passage: dict[str, list[tuple[frozenset[str], str]]] = {}
    found: list[tuple[str, str] | None] = []
    for query_id, own, places in zip(query_ids, words, passages, strict=True):
        earlier = (one for place in sorted(places) for one in by_passage.get(place, []))
        near = next((other for theirs, other in earlier if _jaccard(own, theirs) >= ALIKE), None)
        if own and own in by_words:
            found.append(("same_words", by_words[own]))
        elif near is not None:
            found.append(("not_distinct", near))
        else:
            found.append(None)
            by_words[own] = query_id
            for place in places:
                by_passage.setdefault(place, []).append((own, query_id))
    return found


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b) if a or b else 1.0
