"""`hnhub.reproduce`: a dataset built again from its manifest alone, and what came out the same."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnhub.api.along import exports_of, page_of
from hnhub.api.opening import opened_models
from hnhub.api.recorded import journal_of, recorded_job
from hnhub.api.runs import Run, dataset_name
from hnhub.corpus.load import again
from hnhub.home import home
from hnhub.pipeline import run as pipeline
from hnhub.progress import showing
from hnhub.publish.diff import SplitDifference, compare_folders
from hnhub.publish.finish import ANSWERS, PAGE, rewrite_card
from hnhub.publish.origin import Origin, differences, read_origin
from hnhub.publish.pull import opened
from hnhub.publish.push_plan import MANIFEST
from hnhub.rows.facts import read_facts
from hnhub.stages import fingerprint, read_record
from hnhub.text.table import html_table, text_table

if TYPE_CHECKING:
    from hnhub.api.build import BuildOptions

__all__ = ["Reproduction", "reproduce"]

_LATER = ("repo", "doi", "look", "answers", "exports", "training", "audit")
"""Facts that are put into a dataset after its build: the card that was published says them, so the one here does."""


@dataclass(frozen=True, repr=False)
class Reproduction:
    """A dataset as it was published, and as it came out here."""

    name: str
    """What was built again, as it was given."""
    folder: Path
    """The dataset that came out."""
    stages: Mapping[str, str]
    """Stage -> `same`, `differs`, or `unknown` where the user had put it there."""
    files: Mapping[str, str]
    """Path -> `same`, `differs`, `missing` (here) or `new`."""
    splits: Sequence[SplitDifference]
    """Where rows differ: how many, by config and split."""
    why: Sequence[str]
    """What of the two builds is not the same: versions, code, corpus, models, a line each."""
    sent: int
    """Requests that were sent to a language model."""
    on_record: int = 0
    """Answers of language models that were taken from the dataset's answers or the journal: their tokens were paid before."""

    @property
    def same(self) -> bool:
        """Whether every row and every line of the ledger is the same, bit for bit."""
        return all(state == "same" for path, state in self.files.items() if path.startswith(("data/", "ledger/")))

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        splits = [vars(split) | {"columns": list(split.columns)} for split in self.splits]
        return {**vars(self), "folder": str(self.folder), "same": self.same, "splits": splits, "why": list(self.why)}

    def __repr__(self) -> str:
        parts = [f"{self.name}, built again in {self.folder}", text_table(self._stage_rows()), text_table(self._rows())]
        same = sum(state == "same" for state in self.files.values())
        asked = f"{self.sent:,} requests were sent"
        if self.on_record:
            asked += f", {self.on_record:,} answers were on record"
        parts.append(f"{same} of {len(self.files)} files are the same, bit for bit; {asked}")
        if self.why:
            parts.append("\n".join(["not the same of the two builds:", *(f"  {line}" for line in self.why)]))
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        return html_table(self._rows(), f"{self.name}, built again")

    def _stage_rows(self) -> list[tuple[str, str]]:
        return [("stage", "here"), *self.stages.items()]

    def _rows(self) -> list[tuple[str, str, str]]:
        rows = {f"data/{one.config}/{one.split}": _counted(one) for one in self.splits}
        found = [
            (path, state, rows.get(path.rsplit("-", 3)[0], "") if state == "differs" else "")
            for path, state in self.files.items()
        ]
        return [("file", "here", "rows"), *found]


def reproduce(
    data: "Run | str | os.PathLike[str]",
    *,
    corpus: str | os.PathLike[str] | None = None,
    endpoint: str | Sequence[str] | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Reproduction:
    """Build a dataset again from its manifest alone (a run, a folder, `NAMESPACE/NAME[@REVISION]`), and compare file by file.

    The corpus is fetched at the commit that the manifest names, or read from `corpus`, your copy of it. What a language model
    answered comes from the dataset's own answers (`push` with `with_answers`), else from the journal; with `endpoint`, and for
    the embedded model, what is in neither is asked. Models of the Hub stand at the commits that they stood at. It is built in
    `out`, by default below HNHUB_HOME, and goes on there if it is killed.

    What the same versions of hnhub and its libraries build by mining is the same bit for bit; scores of models may differ in
    their last digits from machine to machine.

    Raises InputError for a dataset that does not say what it was built from, a corpus that is not to be had, or answers that are
    missing; ServiceError if the Hub or an endpoint fails.

    >>> import hnhub
    >>> run = hnhub.build("pydocs", methods=["bm25"], queries_from="qrels", negatives=2)
    >>> again = hnhub.reproduce(run)
    >>> again.same, again.why, again.sent
    (True, [], 0)
    """
    name = dataset_name(data)
    with opened(name) as folder, showing():
        record = read_record(folder / MANIFEST)
        origin = read_origin(record, name)
        source = again(origin.source, Path(corpus).expanduser() if corpus is not None else None)
        # Not the manifest's own digits, which may be any text.
        key = fingerprint({"built": record.fingerprint})[:16]
        place = Path(out) if out is not None else home() / "reproduced" / f"{source.name}-{key}"
        place.mkdir(parents=True, exist_ok=True)
        with (
            _answering(origin, folder, place, endpoint) as models,
            recorded_job(origin, source, place, models) as job,
        ):
            steps = pipeline.stages(job)
            pipeline.run(steps, job.folder, wait=True)
            asked = (job.asked or {}).values()
            sent, on_record = (sum(counts[name] for counts in asked) for name in ("sent", "cached"))
        made = job.folder / "dataset"
        _finish(folder, made)
        here = read_origin(read_record(made / MANIFEST), str(made))
        files = _compared(folder, made)
        differ = any(state == "differs" and path.startswith("data/") for path, state in files.items())
        return Reproduction(
            name=name,
            folder=made,
            stages={step.name: _state(step.name, origin, here) for step in steps if step.name in origin.stages},
            files=files,
            splits=[one for one in compare_folders(folder, made).splits if _differs(one)] if differ else [],
            why=differences(origin, here),
            sent=sent,
            on_record=on_record,
        )


@contextmanager
def _answering(
    origin: Origin, folder: Path, place: Path, endpoint: str | Sequence[str] | None
) -> Iterator[tuple[Any, ...]]:
    """Who answers what the build asks: an endpoint, the embedded model, or only what is on record."""
    from hnhub.engine.local import LOCAL
    from hnhub.llm.embedded import MODEL
    from hnhub.llm.journal import Journal
    from hnhub.llm.recorded import open_recorded

    published = journal_of(folder / ANSWERS, place) if (folder / ANSWERS).is_file() else None
    live = endpoint is not None or (published is None and any(one["model"] == MODEL for one in origin.models))
    recipe = origin.recipe
    with ExitStack() as stack:
        if not origin.models:
            yield ()
        elif live:
            known = stack.enter_context(Journal(published)).outcome if published else None
            options: BuildOptions = {"endpoint": endpoint} if endpoint else {}
            yield stack.enter_context(opened_models(recipe, options, LOCAL, known=known))
        else:
            journal = published or home() / "journal.sqlite"
            yield stack.enter_context(
                open_recorded(origin.models, journal=journal, thinking=recipe.thinking, extra_body=recipe.extra_body)
            )


def _finish(published: Path, made: Path) -> None:
    """What was put into the dataset after its build is put into this one: into its card; page and exports are made anew."""
    told, facts = (read_facts(folder) for folder in (published, made))
    facts |= {name: fact for name, fact in told.items() if name in _LATER}
    rewrite_card(made, facts)
    added: dict[str, bytes | Path] = {}
    with tempfile.TemporaryDirectory(prefix="hnhub-") as place:
        if "exports" in facts:
            facts["exports"], files = exports_of(made, [one["layout"] for one in facts["exports"]], Path(place))
            added |= files
        if (published / PAGE).is_file():
            added[PAGE] = page_of(made).encode()
        if (published / ANSWERS).is_file():
            added[ANSWERS] = (published / ANSWERS).read_bytes()
        if added:
            rewrite_card(made, facts, added=added)


def _compared(published: Path, made: Path) -> dict[str, str]:
    there, here = (read_record(folder / MANIFEST).files for folder in (published, made))
    found = {}
    for path in [*there, *(path for path in here if path not in there)]:
        if path == ANSWERS:
            continue  # it is what was built from, not what came out
        if path in there and path in here:
            found[path] = "same" if there[path]["sha256"] == here[path]["sha256"] else "differs"
        else:
            found[path] = "missing" if path in there else "new"
    return dict(sorted(found.items()))


def _state(stage: str, published: Origin, here: Origin) -> str:
    content = published.stages[stage]
    return "unknown" if content is None else "same" if here.stages.get(stage) == content else "differs"


def _differs(one: SplitDifference) -> bool:
    return bool(one.added or one.removed or one.changed or one.columns)


def _counted(one: SplitDifference) -> str:
    counts = {"changed": one.changed, "only here": one.added, "only there": one.removed, "same": one.same}
    columns = [f"columns {', '.join(one.columns)}"] if one.columns else []
    return ", ".join([*(f"{count:,} {what}" for what, count in counts.items() if count), *columns])
