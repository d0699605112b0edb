"""What a build would do, without doing it."""

from hnhub.api.build import BuildOptions, opened_job
from hnhub.api.inputs import CorpusLike, Documents
from hnhub.forecast.forecast import Forecast, forecast
from hnhub.pipeline import run as pipeline

__all__ = ["forecast_build"]

_WHERE = ("engine", "ray_address", "gpus_per_worker", "memory_per_worker")


def forecast_build(
    corpus: CorpusLike | Documents, name: str | None, options: BuildOptions, *, ask: bool = True
) -> Forecast:
    """Stages, requests, tokens, time, memory and disk of `hnhub.build` with the same options. Raises as it, before any work.

    Without `ask` no endpoint is looked at: there is no time of requests then, and what a model wrote counts as to do.
    """
    # What a build makes does not depend on the engine, and a forecast needs no cluster.
    here = BuildOptions(**{key: value for key, value in options.items() if key not in _WHERE})  # type: ignore[typeddict-item]
    with opened_job(corpus, name, here, ask=ask) as job:
        steps = pipeline.stages(job)
        return forecast(job, steps, pipeline.status(steps, job.folder))
