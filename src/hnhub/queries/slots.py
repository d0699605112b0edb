"""What may be asked from which passage: the passages of each split in a seeded order, and a query's place among them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hnhub.llm.prompts import Prompt
from hnhub.llm.types import Request
from hnhub.queries.held_out import HeldOut
from hnhub.records import Recipe, parent_of
from hnhub.stages import fingerprint

__all__ = ["Part", "Siblings", "Slot", "draw", "parts", "request_of"]

Rows = NDArray[np.uint32]


@dataclass(frozen=True)
class Part:
    """A split for which queries are written, and the rows of the passages that may be asked about, in a seeded order."""

    split: str
    order: Rows


@dataclass(frozen=True)
class Slot:
    """A query that is to be asked for."""

    row: int
    document_id: str
    number: int
    """Among the queries of its passage, from 0."""
    style: str | None
    passage: str
    second: tuple[str, str] | None = None
    """Document id and text of another passage of the same document, if the query is to need both."""

    @property
    def query_id(self) -> str:
        """`q-<document>`, and `q2-<document>` and so on for further ones."""
        return f"q{self.number + 1 if self.number else ''}-{self.document_id}"

    @property
    def positive_ids(self) -> list[str]:
        """The passages that answer it."""
        return [self.document_id, *([self.second[0]] if self.second else [])]

    @property
    def text(self) -> str:
        """All that it is to be answered from."""
        return f"{self.passage}\n\n{self.second[1]}" if self.second else self.passage


def parts(corpus: Path, held_out: HeldOut, seed: int) -> list[Part]:
    """The passages that may be asked about: all for `train`, or as `parts.parquet` (document_id, split) has them.

    Passages judged relevant to a held-out query are none of them.
    """
    ids = pl.read_parquet(corpus / "documents.parquet", columns=["document_id"])
    drawn = np.random.default_rng(_seed(seed=seed, queries="llm")).permutation(len(ids))
    order = drawn[~np.isin(drawn, held_out.positives["row"].to_numpy())].astype(np.uint32)
    if not (corpus / "parts.parquet").is_file():
        return [Part("train", order)]
    split = ids.join(pl.read_parquet(corpus / "parts.parquet"), on="document_id", how="left", maintain_order="left")
    names = split["split"].to_numpy()
    return [Part(name, order[names[order] == name]) for name in ("train", "dev") if (names[order] == name).any()]


class Siblings:
    """Which other passages of a split are of the same document. Only a corpus that hnhub cut tells."""

    def __init__(self, corpus: Path, rows: Rows) -> None:
        """Look at the passages in `rows`."""
        ids = pl.read_parquet(corpus / "documents.parquet", columns=["document_id"])["document_id"]
        self._id_of = dict(zip(rows.tolist(), ids.gather(rows).to_list(), strict=True))
        self._of: dict[str, list[int]] = {}
        for row, document_id in sorted(self._id_of.items()):
            self._of.setdefault(parent_of(document_id), []).append(row)

    @property
    def any(self) -> bool:
        """Whether any document has two passages."""
        return any(len(rows) > 1 for rows in self._of.values())

    def of(self, row: int, number: int, seed: int) -> int | None:
        """The row of another passage of the same document, drawn by the seed; None if there is none."""
        document_id = self._id_of[row]
        others = [other for other in self._of[parent_of(document_id)] if other != row]
        return others[_seed(seed=seed, second=document_id, number=number) % len(others)] if others else None


def draw(slot: Slot, seed: int, models: int) -> int:
    """Which of so many models is asked for it."""
    return _seed(seed=seed, generator=slot.document_id, number=slot.number) % models


def request_of(slot: Slot, recipe: Recipe, prompt: Prompt) -> Request:
    """What a model is asked."""
    also = {"number": slot.number} if slot.number else {}
    seed = int(fingerprint({"seed": recipe.seed, "method": "queries", "document": slot.document_id, **also})[:8], 16)
    second = {"second": slot.second[1]} if slot.second else {}
    return Request(
        id=slot.query_id,
        method="queries",
        messages=prompt.messages(passage=slot.passage, **second),
        schema=prompt.schema,
        prompt_sha256=prompt.sha256,
        max_tokens=prompt.max_tokens,
        temperature=recipe.temperature,
        top_p=recipe.top_p,
        seed=seed >> 1,
    )


def _seed(**parts: Any) -> int:
    return int(fingerprint(parts)[:16], 16)
