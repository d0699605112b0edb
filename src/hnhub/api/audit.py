"""`hnhub.audit`: what can be measured of a dataset's negatives before anything is trained on them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnhub.encode.models import need_torch
from hnhub.errors import MissingExtra, UsageError
from hnhub.progress import showing
from hnhub.publish.finish import rewrite_card
from hnhub.publish.pull import opened
from hnhub.rows.facts import read_facts
from hnhub.text.table import html_table, text_table

if TYPE_CHECKING:
    from hnhub.api.inputs import BiEncoder
    from hnhub.api.runs import Run

__all__ = ["Audit", "audit"]


@dataclass(frozen=True, repr=False)
class Audit:
    """What was found, by method and of the dataset."""

    facts: Mapping[str, Any]
    """Plain data, with every figure and the source of each threshold (docs/audit.md)."""

    @property
    def fine(self) -> bool:
        """True if no check found something to look at."""
        return all(row[2] != "look" for row in self._rows())

    def _rows(self) -> list[tuple[str, ...]]:
        places = [
            *((method, one["findings"]) for method, one in self.facts["methods"].items()),
            ("queries", self.facts["dataset"]),
        ]
        words = {True: "fine", False: "look", None: "–"}
        return [
            (place, found["check"], words[found["fine"]], found["says"]) for place, all_ in places for found in all_
        ]

    def __repr__(self) -> str:
        return text_table([("of", "check", "verdict", "what was found"), *self._rows()])

    def _repr_html_(self) -> str:
        return html_table([("of", "check", "verdict", "what was found"), *self._rows()], "audit")


def audit(
    data: "Run | str | os.PathLike[str]", *, encoder: "BiEncoder | None" = None, seed: int = 0, save: bool = False
) -> Audit:
    """Measure a run, a dataset's folder or a repository on the Hub: shortcut, topic, hardness, language, splits, diversity.

    `encoder` is a bi-encoder to measure nearness by; without one shared words do. With `save` what was found goes into
    the folder's stats.json and card, so on its page too. At most 2,000 rows of a method are read, at even distances.

    Raises InputError for a dataset without texts, MissingExtra without scikit-learn (it comes with `hnhub[models]`), or with
    `encoder` without torch.

    >>> import hnhub
    >>> found = hnhub.audit("runs/tiny")
    >>> [one["check"] for one in found.facts["methods"]["bm25"]["findings"]]
    ['shortcut', 'topic', 'hardness', 'language']
    """
    if encoder is not None:
        need_torch()
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingExtra("scikit-learn", extra="models") from error
    from hnhub.auditing.audit import measure_audit

    name = os.fspath(data) if isinstance(data, str | os.PathLike) else str(data.folder)
    if save and not Path(name).is_dir():
        raise UsageError(f"{name}: is no folder to save into", do="pull it first, or leave out --save")
    with showing(), opened(name) as folder:
        model, called = _encoder(encoder)
        found = measure_audit(folder, encoder=model, name=called, seed=seed)
        if save:
            rewrite_card(folder, {**read_facts(folder), "audit": found})
    return Audit(found)


def _encoder(given: "BiEncoder | None") -> tuple[Any, str | None]:
    if given is None:
        return None, None
    from hnhub.api.inputs import model_name
    from hnhub.encode.encoder import Encoder

    encoder = Encoder(model_name(given))
    return encoder, encoder.ref.name
