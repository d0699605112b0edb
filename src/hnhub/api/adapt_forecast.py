"""What an adaptation would do and take, before it does it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from hnhub.api.adapting import Adapting
from hnhub.api.forecast import forecast_job, job_to_forecast
from hnhub.errors import HnhubError
from hnhub.forecast.forecast import Forecast
from hnhub.learn.options import settings_for
from hnhub.pipeline import run as pipeline
from hnhub.records import Recipe, contents

__all__ = ["AdaptForecast", "forecast_of"]

_SAMPLE = 500


@dataclass(frozen=True)
class AdaptForecast:
    """What an adaptation would do."""

    test: Forecast
    train: Forecast
    passages: Mapping[str, int]
    """Of each part."""
    training_seconds: float | None
    training: str
    """How that was reckoned."""

    @property
    def requests(self) -> int:
        """To language models, at most."""
        return sum(step.requests or 0 for step in (*self.test.steps, *self.train.steps))

    @property
    def tokens(self) -> tuple[int, int]:
        """Read and written, at most."""
        steps = (*self.test.steps, *self.train.steps)
        return sum(step.prompt_tokens or 0 for step in steps), sum(step.completion_tokens or 0 for step in steps)

    @property
    def cost(self) -> float | None:
        """Of the tokens, at most; None without prices."""
        return self.train.prices.cost(*self.tokens) if self.train.prices else None

    @property
    def seconds(self) -> float | None:
        """Of everything whose time is known; None if that of asking or training isn't."""
        steps = (*self.test.steps, *self.train.steps)
        if self.training_seconds is None or any(step.requests and step.seconds is None for step in steps):
            return None
        return self.training_seconds + sum(step.seconds or 0 for step in steps)


def forecast_of(way: Adapting) -> AdaptForecast:
    """What `carry_out` would do. Nothing is made but the split, which takes no model, in a place that goes away."""
    with tempfile.TemporaryDirectory(prefix="hnhub-") as place:
        there = replace(way, out=Path(place))
        split = there.split()
        found = {}
        for part, options, splits in (
            ("test", there.test_options(), ("test",)),
            ("train", there.train_options(), ("train", "dev")),
        ):
            here = there.part(part, *splits)
            with job_to_forecast(here, None, {**options, "out": way.out / part}) as (job, unreached):
                steps = pipeline.stages(job)[:2] if part == "test" else pipeline.stages(job)
                found[part] = forecast_job(job, steps, unreached, options)
    return AdaptForecast(found["test"], found["train"], split.facts["passages"], *_training_time(way, found["train"]))


def _training_time(way: Adapting, data: Forecast) -> tuple[float | None, str]:
    """Seconds of trainings and evaluations, and how they were reckoned."""
    from hnhub.forecast.measure import dense_speed

    sample = pl.scan_parquet(way.corpus.folder / "documents.parquet").head(_SAMPLE).collect()
    try:
        speed = dense_speed(way.model, [contents(title, text) for _, title, text in sample.iter_rows()])
    except (HnhubError, OSError, ValueError, RuntimeError) as error:
        return None, f"training: time is unknown ({error.what if isinstance(error, HnhubError) else error})"
    s, rounds = way.settings, len(way.settings.seeds)
    settings = settings_for(way.model, **s.train)
    texts = data.queries * (2 + s.options.get("negatives", Recipe("").negatives))
    epochs = settings.passes(data.queries)
    seconds = speed.document * (
        texts * (settings.cost * epochs + settings.guided) * rounds + way.corpus.documents * (1 + rounds)
    )
    told = (
        f"training: {texts:,} texts, {epochs:g} epochs, {rounds} seeds at {settings.cost} times the cost of encoding (assumed)"
        f"{' and once more to mask by' if settings.guided else ''}"
    )
    return (
        seconds,
        f"{told}, {speed.measured:,} passages encoded here to measure; and the corpus once untrained, once a seed",
    )
