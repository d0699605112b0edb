"""What a person said of rows: read, checked and written as marks.json; what a build makes of it, and what it tells of the rest."""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hnhub.errors import InputError
from hnhub.records import Verdict
from hnhub.stages import canonical_json, write_atomically

__all__ = ["REVIEWED", "WORDS", "Mark", "Marks", "parse_marks", "read_marks", "wilson", "write_marks"]

REVIEWED = "reviewed"
"""The reason in rows and ledger for what a person marked."""

WORDS: Mapping[str, tuple[str, ...]] = {
    # what a mark is about: the words that may be said of it
    "query": ("bad_query",),
    "positive": ("good", "bad_positive"),
    "negative": ("good", "false_negative", "positive"),
}

_VERDICTS: Mapping[str, Verdict] = {"false_negative": "drop", "positive": "promote", "bad_positive": "drop"}
"""Of a candidate; a positive is one where it was promoted."""
_TEXT_LIMIT = 1_000_000


@dataclass(frozen=True)
class Mark:
    """One thing that was read. A document is named by its id, a text that a model wrote by itself."""

    query_id: str
    about: str
    """query, positive or negative."""
    document_id: str | None = None
    text: str | None = None
    mark: str | None = None
    """One of `WORDS[about]`; None for a note alone."""
    note: str | None = None
    sampled: tuple[str, ...] = ()
    """The methods whose random sample it was drawn in."""

    def __post_init__(self) -> None:
        """Raise ValueError for what is no mark."""
        if self.about not in WORDS:
            raise ValueError(f"about is {self.about!r}, not one of {', '.join(WORDS)}")
        if self.mark is not None and self.mark not in WORDS[self.about]:
            raise ValueError(f"a {self.about} is marked {self.mark!r}, not one of {', '.join(WORDS[self.about])}")
        named = (self.document_id is not None) + (self.text is not None)
        if named != (self.about != "query"):
            raise ValueError(f"a mark of a {self.about} has document_id {self.document_id!r} and text {self.text!r}")

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is about, in one value."""
        return self.query_id, self.about, self.document_id or self.text or ""


@dataclass(frozen=True)
class Marks:
    """A file of marks."""

    corpus: str
    dataset: str
    """The fingerprint of the dataset that was read."""
    marks: tuple[Mark, ...]
    sample: Mapping[str, int] | None = None
    """Size and seed of the sample that was drawn, if one was."""

    @cached_property
    def sha256(self) -> str:
        """Of everything in it, in whatever order it stands."""
        return _sha256([self.corpus, self.dataset, self.sample, sorted(map(_plain, self.marks), key=canonical_json)])

    @cached_property
    def bad_queries(self) -> Mapping[str, str | None]:
        """Query id -> note."""
        return {one.query_id: one.note for one in self.marks if one.mark == "bad_query"}

    @cached_property
    def bad_positives(self) -> Mapping[tuple[str, str], str | None]:
        """(Query id, document id, or text where a model wrote it) -> note."""
        found = [one for one in self.marks if one.mark == "bad_positive"]
        return {(one.query_id, one.document_id or one.text or ""): one.note for one in found}

    @cached_property
    def negatives(self) -> Mapping[tuple[str, str], tuple[Verdict, str, str | None]]:
        """(Query id, document id or text) -> verdict, reason and note, of what is no negative, or no positive that was promoted."""
        found = [one for one in self.marks if one.mark in _VERDICTS]
        return {
            (one.query_id, one.document_id or one.text or ""): (_VERDICTS[one.mark or ""], REVIEWED, one.note)
            for one in found
        }

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a file."""
        head = {"hnhub_marks": 1, "corpus": self.corpus, "dataset": self.dataset, "sample": self.sample}
        return {**head, "marks": [_plain(one) for one in self.marks]}

    def sha256_of(self, *names: str) -> str | None:
        """Of what these properties hold, for the fingerprint of a stage that takes them; None if they are empty."""
        said = {name: sorted(getattr(self, name).items()) for name in names if getattr(self, name)}
        return _sha256(said) if said else None

    def facts(self) -> dict[str, Any]:
        """What was read and found, for the card: counts, and by method the share of false negatives of a random sample."""
        said = [one for one in self.marks if one.mark is not None]
        negatives = [one for one in said if one.about == "negative"]
        false = [one for one in negatives if one.mark in _VERDICTS]
        methods = []
        for method in sorted({method for one in negatives for method in one.sampled}):
            read = [one for one in negatives if method in one.sampled]
            wrong = sum(one.mark in _VERDICTS for one in read)
            low, high = wilson(wrong, len(read))
            share = round(wrong / len(read), 4)
            methods.append(
                {"method": method, "read": len(read), "false": wrong, "share": share, "low": low, "high": high}
            )
        return {
            "read": len(said),
            "queries": len({one.query_id for one in said}),
            "marks": dict(sorted(Counter(str(one.mark) for one in said).items())),
            "negatives": len(negatives),
            "false": len(false),
            "share": round(len(false) / len(negatives), 4) if negatives else None,
            "methods": methods,
            "sha256": self.sha256,
        }


def wilson(hits: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score (1927): right for few, and for none at all. (0, 1) of nothing.

    >>> wilson(0, 50)
    (0.0, 0.0713)
    """
    if not of:
        return 0.0, 1.0
    share, extra = hits / of, z * z / of
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / of + extra / (4 * of)) / (1 + extra)
    return round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)


def read_marks(path: str | os.PathLike[str], corpus: str | None = None) -> Marks:
    """Read marks.json. Raises InputError, naming the mark, for a file that is none, or holds marks of another corpus than this."""
    file = Path(path).expanduser()
    try:
        marks = parse_marks(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: {error}", do="save the marks again on the page of `hnhub view`") from error
    if corpus is not None and marks.corpus != corpus:
        raise InputError(f"{file}: holds marks of {marks.corpus}, not of {corpus}", do="name another file by --marks")
    return marks


def parse_marks(text: str) -> Marks:
    """Marks from JSON. Raises ValueError for what is not as `hnhub view` writes it; of marks on one thing the last counts."""
    found = json.loads(text)
    if not isinstance(found, dict) or found.get("hnhub_marks") != 1:
        raise ValueError("is no file of marks (hnhub_marks is not 1)")
    if not all(isinstance(found.get(name), str) for name in ("corpus", "dataset")):
        raise ValueError("names no corpus and dataset")
    rows = found.get("marks")
    if not isinstance(rows, list):
        raise ValueError("holds no list of marks")  # noqa: TRY004 - for the caller all are one
    marks = {mark.key: mark for mark in map(_mark, range(len(rows)), rows)}
    return Marks(found["corpus"], found["dataset"], tuple(marks.values()), _sample(found.get("sample")))


def write_marks(path: Path, marks: Marks) -> None:
    """Write marks.json, at once or not at all."""
    text = json.dumps(marks.as_dict(), indent=1, ensure_ascii=False)
    write_atomically(path, text.encode("utf-8", "replace").decode() + "\n")


def _mark(number: int, row: object) -> Mark:
    """One mark of a file. Raises ValueError that names it."""
    if not isinstance(row, dict):
        raise ValueError(f"mark {number}: is no object")  # noqa: TRY004
    texts = {name: row.get(name) for name in ("query_id", "about", "document_id", "text", "mark", "note")}
    odd = [name for name, text in texts.items() if not isinstance(text, str | None) or len(text or "") > _TEXT_LIMIT]
    sampled = row.get("sampled") or []
    if odd or texts["query_id"] is None or texts["about"] is None:
        raise ValueError(f"mark {number}: {(odd or ['query_id or about'])[0]} is no text, or far too long")
    if not isinstance(sampled, list) or not all(isinstance(one, str) for one in sampled):
        raise ValueError(f"mark {number}: sampled is no list of methods")
    try:
        return Mark(**texts, sampled=tuple(sampled))  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"mark {number}: {error}") from error


def _sample(found: object) -> dict[str, int] | None:
    if found is None:
        return None
    if isinstance(found, dict) and all(type(found.get(name)) is int for name in ("size", "seed")):
        return {name: found[name] for name in ("size", "seed")}
    raise ValueError("sample has no size and seed")


def _plain(mark: Mark) -> dict[str, Any]:
    return {**asdict(mark), "sampled": list(mark.sampled)}


def _sha256(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode("utf-8", "replace")).hexdigest()
