"""Two datasets on one page: the other's methods as further columns, queries paired by their text, and what differs."""

from collections.abc import Mapping
from typing import Any

from hnhub.viewer.records import CANDIDATE

__all__ = ["beside"]

_DOCUMENT, _TEXT, _PROVENANCE, _POSITION = (
    CANDIDATE.index(name) for name in ("document", "text", "provenance", "position")
)


def beside(data: Mapping[str, Any], other: Mapping[str, Any], label: str) -> dict[str, Any]:
    """The data of one page (`read_view`) with those of another dataset beside them, called `label`.

    Rows of two datasets pair up by the query's text, where there is none by its id. A query that only one has stands there
    too, marked as such.
    """
    texts, provenance = list(data["texts"]), [*data["provenance"], *other["provenance"]]
    places = {text: place for place, text in enumerate(texts)}
    moved = []
    for text in other["texts"]:
        if (place := places.setdefault(text, len(texts))) == len(texts):
            texts.append(text)
        moved.append(place)
    renamed = {method: f"{method} · {label}" for method in other["methods"]}
    queries = [{**query, "n": dict(query["n"]), "o": "a"} for query in data["queries"]]
    by_key = {_key(query, texts): query for query in queries}
    for theirs in other["queries"]:
        query = {**theirs, "q": None if theirs["q"] is None else moved[theirs["q"]]}
        query["p"] = [
            [document, None if text is None else moved[text], {renamed[name]: value for name, value in scores.items()}]
            for document, text, scores in theirs["p"]
        ]
        query["n"] = {
            renamed[method]: [_moved(one, moved, len(data["provenance"])) for one in candidates]
            for method, candidates in theirs["n"].items()
        }
        if (ours := by_key.get(_key(query, texts))) is None:
            queries.append({**query, "o": "b"})
        else:
            del ours["o"]
            ours["n"] |= query["n"]
            ours["p"] = _positives(ours["p"], query["p"])
    return {
        **data,
        "texts": texts,
        "provenance": provenance,
        "queries": queries,
        "methods": [*data["methods"], *renamed.values()],
        "says": {**data["says"], **{renamed[name]: says for name, says in other["says"].items()}},
        "against": {
            "label": label,
            "name": other["name"],
            "version": other["version"],
            "queries": {
                "both": sum("o" not in query for query in queries),
                **{side: sum(query.get("o") == side for query in queries) for side in ("a", "b")},
            },
            "methods": [
                _differences(queries, method, renamed[method]) for method in data["methods"] if method in renamed
            ],
        },
    }


def _key(query: Mapping[str, Any], texts: list[str]) -> str:
    return str(query["i"]) if query["q"] is None else texts[query["q"]]


def _moved(one: list[Any], moved: list[int], offset: int) -> list[Any]:
    record = list(one)
    record[_TEXT] = None if one[_TEXT] is None else moved[one[_TEXT]]
    record[_PROVENANCE] = None if one[_PROVENANCE] is None else one[_PROVENANCE] + offset
    return record


def _positives(ours: list[Any], theirs: list[Any]) -> list[Any]:
    merged = [[document, text, dict(scores)] for document, text, scores in ours]
    for document, text, scores in theirs:
        found = next((one for one in merged if one[0] == document and (document or one[1] == text)), None)
        if found is None:
            merged.append([document, text, scores])
        else:
            found[2] |= scores
    return merged


def _differences(queries: list[dict[str, Any]], method: str, other: str) -> dict[str, Any]:
    counts = {"same": 0, "a": 0, "b": 0, "queries": 0}
    for query in queries:
        if "o" in query:
            continue
        a, b = (_chosen(query["n"].get(name, [])) for name in (method, other))
        counts["same"] += len(a & b)
        counts["a"] += len(a - b)
        counts["b"] += len(b - a)
        counts["queries"] += a != b
    return {"method": method, **counts}


def _chosen(candidates: list[Any]) -> set[Any]:
    return {
        one[_TEXT] if one[_DOCUMENT] is None else one[_DOCUMENT] for one in candidates if one[_POSITION] is not None
    }
