"""The passages that a forecast counts and samples: the corpus's own if it is loaded or quickly read, else the demo corpus's."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from hnhub.corpus import pydocs
from hnhub.corpus.documents import CONVERTED, files
from hnhub.corpus.load import Source, make_corpus
from hnhub.pipeline.job import Job
from hnhub.records import contents

if TYPE_CHECKING:
    from hnhub.stages import StageRecord

__all__ = ["Passages", "passages_of"]

_SAMPLE = 2000
"""Documents of the calibration, if the corpus is here."""
_QUICK = 2_000_000
"""Bytes of a folder that is read to count its passages: so much Markdown was cut in 0.6 s, prose in 1.1 s."""
_CONVERTING = 20
"""A byte of a file that is converted takes as long as so many of text: measured, 116 KB of PDF in 3.2 s."""


@dataclass(frozen=True)
class Passages:
    """How many there are, if that is known, and some of them."""

    documents: int | None
    sample: Sequence[str]
    """Contents of documents; the demo corpus's if the corpus is not here."""
    here: bool = True

    @property
    def characters(self) -> float:
        """Mean of a document."""
        return sum(map(len, self.sample)) / len(self.sample)


def passages_of(job: Job, record: "StageRecord | None") -> Passages:
    """Of a build whose corpus stage is done if there is a `record` of it. Raises as `make_corpus` for a folder that is read."""
    source = job.source
    if record is not None:
        return _read(job.documents)
    if source.given is not None:
        return _read(source.given / "documents.parquet")
    if source.folder is None and source.hub_id is None:
        demo = _demo()
        return Passages(len(demo), demo)
    if _quickly_read(source):
        with tempfile.TemporaryDirectory(prefix="hnhub-") as place:
            make_corpus(Path(place), source)
            return _read(Path(place, "documents.parquet"))
    return Passages(source.spec.documents if source.spec else None, _demo(), here=False)


def _quickly_read(source: Source) -> bool:
    if source.folder is None:
        return False
    cost = (
        path.stat().st_size * (_CONVERTING if path.suffix.lower() in CONVERTED else 1) for path in files(source.folder)
    )
    return sum(cost) <= _QUICK


def _read(documents: Path) -> Passages:
    frame = pl.scan_parquet(documents)
    count = int(frame.select(pl.len()).collect().item())
    every = max(1, count // _SAMPLE)
    sample = frame.gather_every(every).head(_SAMPLE).select("title", "text").collect()
    return Passages(count, [contents(title, text) for title, text in sample.iter_rows()])


def _demo() -> list[str]:
    """Real text that every machine has."""
    return [document.contents for document in pydocs.passages()]
