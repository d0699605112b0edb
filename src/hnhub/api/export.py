"""`hnhub.export`: a dataset in the layout that another project reads."""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hnhub import __version__
from hnhub.api.runs import Run
from hnhub.errors import UsageError
from hnhub.layouts.formats import FORMATS, Format
from hnhub.layouts.group import Options
from hnhub.layouts.read import Selection, choose_method, choose_splits, read_groups
from hnhub.layouts.write import About, write_folder
from hnhub.publish.licences import hub_licence
from hnhub.publish.pull import opened
from hnhub.publish.push_plan import MANIFEST
from hnhub.rows.facts import read_facts
from hnhub.rows.folder import Folder
from hnhub.stages import read_record
from hnhub.text.names import meant
from hnhub.text.table import html_table, text_table

__all__ = ["Exported", "export"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Exported:
    """What was written."""

    folder: Path
    layout: str
    lines: Mapping[str, int]
    """By file; a head line is not counted."""
    left_out: Mapping[str, int]
    """Queries by reason: `too_few_negatives`, `no_score`, `no_positive`, `no_text`; and `passages_without_score` of the others."""

    @property
    def read(self) -> str:
        """The call by which its project reads it, in the folder."""
        return FORMATS[self.layout].read

    def _rows(self) -> list[tuple[str, str]]:
        files = [(name, f"{count:,}") for name, count in self.lines.items()]
        return [("file", "lines"), *files, *((f"left out: {why}", f"{n:,}") for why, n in self.left_out.items())]

    def __repr__(self) -> str:
        return f"{self.folder}: {FORMATS[self.layout].says}\n\n{text_table(self._rows())}\n\nread it by: {self.read}"

    def _repr_html_(self) -> str:
        return html_table(self._rows(), f"{self.folder}: {self.layout}")


def export(
    data: Run | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    to: str,
    method: str | None = None,
    splits: Sequence[str] = (),
    negatives: int | None = None,
    scores: bool = False,
    prompt: str | None = None,
    corpus: str | os.PathLike[str] | None = None,
) -> Exported:
    """Write a run, a dataset's folder or a Hub repository (`NAMESPACE/NAME[@REVISION]`) into the new folder `out` in another layout.

    `to` is one of `hnhub.layouts.formats.FORMATS` (docs/export.md says how each is read). `method` may be left out where there is
    one; `splits` is `train`, of a BEIR folder all. `negatives`: at most this many a query, beyond the chosen ones what else may be
    one, by rank; by default the chosen ones. `scores`: the method's scores stand beside the passages, and what has none is
    left out. `prompt` is the queries' instruction, where the layout holds one. `corpus` is your copy of a corpus of which only
    ids are published. Equal data and options give equal bytes.

    Raises UsageError for what there is not, for a layout that can't hold scores or a prompt, and if `out` is there already.

    >>> import hnhub
    >>> done = hnhub.export("runs/tiny", "exports/tiny", to="flag-embedding", method="bm25")
    >>> done.lines, done.left_out
    ({'train.jsonl': 11}, {'too_few_negatives': 1})
    """
    layout = _layout(to, scores=scores, prompt=prompt)
    if negatives is not None and negatives < 1:
        raise UsageError(f"negatives = {negatives} makes no sense", do="give 1 or more")
    left_out: Counter[str] = Counter()
    name = os.fspath(data.folder if isinstance(data, Run) else data)
    with opened(name) as path:
        folder = Folder(path, read_record(path / MANIFEST).facts)
        chosen = Selection(
            choose_method(folder, method),
            choose_splits(folder, tuple(splits), every=layout.every_split),
            negatives,
            scores=scores or bool(layout.scores),
            fixed=layout.fixed,
            numbered=len(layout.tables) > 1,
            corpus=None if corpus is None else Path(corpus).expanduser(),
        )
        options = Options(chosen.scores, prompt)
        about = About(chosen.splits, *_about(folder, layout, chosen))
        groups = read_groups(folder, chosen, left_out)
        lines = write_folder(Path(out).expanduser(), layout, groups, options, about)
    if not any(lines.values()):
        why = (
            ", ".join(f"{reason} {count:,}" for reason, count in sorted(left_out.items())) or "the splits hold no query"
        )
        log.warning("%s: no line was written (left out: %s)", out, why)
    return Exported(Path(out).expanduser(), to, dict(lines), dict(sorted(left_out.items())))


def _layout(to: str, *, scores: bool, prompt: str | None) -> Format:
    if to not in FORMATS:
        raise UsageError(f"there is no layout {to!r}", do=meant(to, FORMATS))
    layout = FORMATS[to]
    if scores and layout.scores is None:
        raise UsageError(f"{to} has no place for scores", do="leave them out, or choose another layout")
    if prompt is not None and not layout.prompt:
        raise UsageError(f"{to} has no place for a prompt", do="give it to the trainer instead")
    return layout


def _about(folder: Folder, layout: Format, chosen: Selection) -> tuple[str, Mapping[str, str], list[str]]:
    """What the folder's README.md says: its title, the licence for its head, and where it comes from."""
    facts = read_facts(folder.path)
    corpus, record = facts["corpus"], read_record(folder.path / MANIFEST)
    source = f"{facts['name']}, version {facts['version']} (fingerprint {record.fingerprint[:16]})"
    made = (
        f"Made by hnhub {__version__} from {source}, negatives by {chosen.method}, splits: {', '.join(chosen.splits)}."
    )
    paragraphs = [f"{layout.says}.", made]
    if facts["rights_statement"] is not None:
        paragraphs.append(f'Rights: whoever built the dataset stated: "{facts["rights_statement"]}"')
    return f"{corpus['title']} hard negatives", hub_licence(str(corpus["licence"])), paragraphs
