"""What a comparison would take, and what is missing for it, without training or encoding anything."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from hnhub.corpus.catalog import CATALOG
from hnhub.corpus.load import resolve
from hnhub.corpus.opened import open_source
from hnhub.encode.devices import devices
from hnhub.errors import HnhubError
from hnhub.learn.compare_plan import Plan, Variant, read_plan
from hnhub.learn.options import settings_for
from hnhub.records import WRITTEN_QUERIES
from hnhub.text.table import text_table

__all__ = ["Taken", "forecast_compare"]

_SAMPLE = 500


@dataclass(frozen=True)
class Taken:
    """The work of a comparison, by model, and what is not there yet."""

    trainings: int
    evaluations: int
    rows: dict[str, int | None]
    """Of each training set; None is unknown."""
    encoded: dict[str, int]
    """By model: documents that evaluations encode."""
    trained: dict[str, int]
    """By model: texts that go through trainings, times what each costs against encoding it."""
    seconds: dict[str, float | None]
    """By model: on this machine's device; None where the model is not here."""
    documents: dict[str, int | None]
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        corpora = [("corpus", "documents"), *((name, _number(count)) for name, count in self.documents.items())]
        models = [
            ("model", "documents to encode", "texts trained on, in encodings", "hours here"),
            *(
                (name, f"{count:,}", f"{self.trained[name]:,}", _hours(self.seconds[name]))
                for name, count in self.encoded.items()
            ),
        ]
        lines = [
            f"{self.trainings:,} trainings, {self.evaluations:,} evaluations",
            "",
            text_table(corpora),
            "",
            text_table(models),
        ]
        lines += ["", "missing", *(f"- {one}" for one in self.missing)] if self.missing else ["", "nothing is missing"]
        return "\n".join([*lines, "", *(f"- {note}" for note in self.notes)])


def forecast_compare(plan: Plan | Path) -> Taken:
    """Count what a plan asks for. Nothing is downloaded; a corpus in a folder is loaded, into the cache. Raises as `read_plan`."""
    found = plan if isinstance(plan, Plan) else read_plan(plan)
    missing: list[str] = []
    documents = {name: _documents(name, one.folder, missing) for name, one in found.corpora.items()}
    rows = {
        place: _rows(place, found.rows)
        for variant in found.variants.values()
        if variant.dataset
        for place in _places(variant, found)
    }
    missing += _not_built(rows)
    trainings = sum(len(_places(variant, found)) for variant in found.variants.values() if variant.dataset)
    trainings *= len(found.models) * len(found.seeds)
    runs = sum(len(found.seeds) if variant.dataset else 1 for variant in found.variants.values())
    encoding = sum(
        len(found.seeds) if variant.dataset else 1 for variant in found.variants.values() if variant.run is None
    )
    total = sum(count or 0 for count in documents.values())
    trained = {name: _trained(found, source, rows) for name, source in found.models.items()}
    encoded = dict.fromkeys(found.models, encoding * total)
    notes = [
        f"evaluations encode every corpus once for each model of {encoding} (base, and a trained one a variant and seed)",
        "a text trained on is taken to cost 3 times encoding it, one more where batches are cached, and once to mask by the model",
    ]
    if None in rows.values():
        notes.append(f"rows of what is not built: {found.rows or WRITTEN_QUERIES:,} (assumed)")
    seconds: dict[str, float | None] = {}
    for name, source in found.models.items():
        speed = _speed(source, notes)
        seconds[name] = None if speed is None else speed * (encoded[name] + trained[name])
    return Taken(
        trainings=trainings,
        evaluations=len(found.models) * len(found.corpora) * runs,
        rows=rows,
        encoded=encoded,
        trained=trained,
        seconds=seconds,
        documents=documents,
        missing=missing,
        notes=notes,
    )


def _places(variant: Variant, plan: Plan) -> list[str]:
    """The training sets of a variant."""
    assert variant.dataset is not None
    places = (variant.dataset.replace("{corpus}", name) for name in plan.corpora)
    return list(dict.fromkeys(f"{place} {variant.config}" for place in places))


def _documents(name: str, folder: str | None, missing: list[str]) -> int | None:
    known = CATALOG.get(name)
    if folder is None and known is not None and known.documents is not None:
        return known.documents
    try:
        return open_source(resolve(name, Path(folder).expanduser() if folder else None)).documents
    except HnhubError as error:
        missing.append(f"corpus {name}: {error.what}")
        return None


def _rows(place: str, limit: int | None) -> int | None:
    folder, _, config = place.rpartition(" ")
    files = sorted(Path(folder).expanduser().glob(f"data/{config}/train-*.parquet"))
    if not files:
        return None
    count = int(pl.scan_parquet(files).select(pl.len()).collect().item())
    return min(count, limit or count)


def _not_built(rows: dict[str, int | None]) -> list[str]:
    """A line for each dataset that lacks configs."""
    lacking: dict[str, list[str]] = {}
    for place, count in rows.items():
        folder, _, config = place.rpartition(" ")
        if count is None:
            lacking.setdefault(folder, []).append(config)
    return [
        f"dataset {folder}: {', '.join(configs)} (hnhub build or release makes it)"
        for folder, configs in lacking.items()
    ]


def _trained(plan: Plan, source: str, rows: dict[str, int | None]) -> int:
    """Texts through one model's trainings, each in as many passes as they cost."""
    total = 0.0
    for variant in plan.variants.values():
        if not variant.dataset:
            continue
        settings = settings_for(source.partition("@")[0], **{**plan.train, **variant.train})
        for place in _places(variant, plan):
            count = rows[place] or plan.rows or WRITTEN_QUERIES
            texts = count * (2 + (_NEGATIVES if settings.negatives is None else settings.negatives))
            passes = settings.passes(count) * settings.cost + settings.guided
            total += texts * passes * len(plan.seeds)
    return round(total)


_NEGATIVES = 5
"""Of a row, where the plan does not say: what a build makes."""


def _speed(source: str, notes: list[str]) -> float | None:
    """Seconds to encode a text, measured here."""
    from hnhub.corpus import pydocs
    from hnhub.forecast.measure import dense_speed

    try:
        sample = list(itertools.islice((one.contents for one in pydocs.passages()), _SAMPLE))
        found = dense_speed(source, sample)
    except (HnhubError, OSError, ValueError, RuntimeError) as error:
        notes.append(f"{source}: time is unknown ({error.what if isinstance(error, HnhubError) else error})")
        return None
    notes.append(f"{source}: measured on {found.measured:,} of the demo corpus's passages here ({devices()[0]})")
    return found.document


def _number(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _hours(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds / 3600:,.1f}"
