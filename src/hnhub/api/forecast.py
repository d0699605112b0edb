"""What a build would do, without doing it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from hnhub.api.build import BuildOptions, opened_job
from hnhub.api.inputs import CorpusLike, Documents
from hnhub.api.opening import price_list
from hnhub.errors import ServiceError
from hnhub.forecast.forecast import Forecast, forecast
from hnhub.pipeline import run as pipeline
from hnhub.pipeline.job import Job

__all__ = ["forecast_build", "job_to_forecast"]

_WHERE = ("engine", "ray_address", "gpus_per_worker", "memory_per_worker")


def forecast_build(corpus: CorpusLike | Documents, name: str | None, options: BuildOptions) -> Forecast:
    """Stages, requests, tokens, time, memory and disk of `hnhub.build` with the same options. Raises as it, before any work.

    An endpoint that does not answer is no hindrance (`Forecast.unreached`).
    """
    # What a build makes does not depend on the engine, and a forecast needs no cluster.
    here = BuildOptions(**{key: value for key, value in options.items() if key not in _WHERE})  # type: ignore[typeddict-item]
    with job_to_forecast(corpus, name, here) as (job, unreached):
        steps = pipeline.stages(job)
        found = forecast(job, steps, pipeline.status(steps, job.folder), unreached)
        if unreached and (prices := price_list(options)):
            return replace(found, prices=prices.of(job.recipe.model or "", batch=bool(options.get("batch_api"))))
        return found


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
