"""What a build would do, without doing it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from hnhub.api.build import BuildOptions, opened_job
from hnhub.api.inputs import CorpusLike, Documents
from hnhub.api.opening import price_list
from hnhub.errors import ServiceError
from hnhub.forecast.forecast import Forecast, forecast
from hnhub.llm.prices import dearest
from hnhub.pipeline import run as pipeline
from hnhub.pipeline.job import Job, Stage

__all__ = ["forecast_build", "forecast_job", "job_to_forecast"]

_WHERE = ("engine", "ray_address", "gpus_per_worker", "memory_per_worker")


def forecast_build(corpus: CorpusLike | Documents, name: str | None, options: BuildOptions) -> Forecast:
    """Stages, requests, tokens, time, memory and disk of `hnhub.build` with the same options. Raises as it, before any work.

    An endpoint that does not answer is no hindrance (`Forecast.unreached`).
    """
    # What a build makes does not depend on the engine, and a forecast needs no cluster.
    here = BuildOptions(**{key: value for key, value in options.items() if key not in _WHERE})  # type: ignore[typeddict-item]
    with job_to_forecast(corpus, name, here) as (job, unreached):
        return forecast_job(job, pipeline.stages(job), unreached, here)


def forecast_job(job: Job, steps: Sequence[Stage], unreached: str | None, options: BuildOptions) -> Forecast:
    """What these stages of a job of `job_to_forecast` would take; at the given prices also where no endpoint answered."""
    found = forecast(job, steps, pipeline.status(steps, job.folder), unreached)
    given = price_list(options)
    if given is None or not job.prompts:
        return found
    names = [model.identity["model"] for model in job.models] or [job.recipe.model, *job.recipe.generators]
    batch = bool(options.get("batch_api"))
    known = {name or "an unnamed model": given.of(name or "", batch=batch) for name in names}
    unknown = [f"{given.where}: has no price of {name}: no cost" for name, one in known.items() if one is None]
    prices = None if unknown else dearest(known.values())
    return replace(found, prices=prices, notes=(*found.notes, *unknown))


@contextmanager
def job_to_forecast(
    corpus: CorpusLike | Documents, name: str | None, options: BuildOptions
) -> Iterator[tuple[Job, str | None]]:
    """The job; where its endpoint does not answer one without models, and why."""
    with ExitStack() as stack:
        unreached = None
        try:
            job = stack.enter_context(opened_job(corpus, name, options))
        except ServiceError as error:
            unreached = error.what
            job = stack.enter_context(opened_job(corpus, name, options, ask=False))
        yield job, unreached
