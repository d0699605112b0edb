"""A corpus loaded once into the cache below `home()`, for whoever reads it: evaluation, training's leak check, a notebook."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from hnhub.corpus.load import Source, make_corpus
from hnhub.home import home
from hnhub.stages import StageRecord, fingerprint, run_stage, waiting_lock
from hnhub.text.table import html_table, text_table

__all__ = ["Corpus", "open_source", "opened"]


@dataclass(frozen=True, repr=False)
class Corpus:
    """A corpus as it was loaded: documents, queries and judgements in Parquet."""

    name: str
    revision: str
    """One word for its content: a commit, `python-3.x.y`, or `files-` or `given-` and a hash."""
    folder: Path
    """Where documents.parquet, queries.parquet, qrels.parquet and ledger.parquet lie."""
    documents: int
    """How many there are."""
    judged: Mapping[str, int]
    """Split -> judged queries."""
    licence: str = "unknown"
    dropped: Mapping[str, int] | None = None
    """Reason -> how many rows of the source were left out; each stands in ledger.parquet."""
    source: Source = field(kw_only=True, compare=False)
    """Where it comes from: what a build of it starts from."""

    @property
    def drop_same_id(self) -> bool:
        """Its queries are documents: in evaluation a document that bears its query's id is left out, as BEIR does."""
        return bool(self.source.spec and self.source.spec.drop_same_id)

    def to_frame(self, table: Literal["documents", "queries", "qrels", "ledger"] = "documents") -> pl.DataFrame:
        """A whole table as a polars frame; columns in `hnhub.schema`."""
        return pl.read_parquet(self.folder / f"{table}.parquet")

    def __repr__(self) -> str:
        return f"{self.name} ({self.revision})\n{text_table(self._rows())}"

    def _repr_html_(self) -> str:
        return html_table([("corpus", f"{self.name} ({self.revision})"), *self._rows()])

    def _rows(self) -> list[tuple[str, str]]:
        judged = ", ".join(f"{split} {count:,}" for split, count in self.judged.items())
        dropped = ", ".join(f"{reason} {count:,}" for reason, count in (self.dropped or {}).items())
        return [
            ("documents", f"{self.documents:,}"),
            ("judged queries", judged or "none"),
            ("licence", self.licence),
            ("dropped", dropped or "nothing"),
        ]


def open_source(source: Source) -> Corpus:
    """Load a corpus that was found, once, and open it. Raises as `hnhub.corpus.load`.

    Several processes may ask for the same corpus: one loads it, the others wait.
    """
    identity = source.identity()
    parent = home() / "corpora"
    place = parent / f"{source.name}-{fingerprint(identity)[:16]}"
    with waiting_lock(parent, place.name):
        record = run_stage(place, {"source": identity}, lambda out, _: make_corpus(out, source))
    return opened(place, record, source)


def opened(place: Path, record: StageRecord, source: Source) -> Corpus:
    """A corpus stage that is finished."""
    facts = record.facts
    return Corpus(
        name=facts["corpus"],
        revision=str(facts["revision"]),
        folder=place,
        documents=int(facts["counts"]["documents"]),
        judged={split: count for split, count in _judged(place).items() if count},
        licence=str(facts["licence"]),
        dropped=facts["dropped"],
        source=source,
    )


def _judged(place: Path) -> dict[str, int]:
    qrels = pl.read_parquet(place / "qrels.parquet", columns=["split", "query_id"])
    return dict(qrels.group_by("split", maintain_order=True).agg(pl.col("query_id").n_unique()).iter_rows())
