"""Parts of stages made by workers of a Ray cluster. Ray starts, places and watches them; hnhub only says what is next.

The same functions run as in `engines.Local`. A part that is finished lies on the build's filesystem, so what a lost worker
had finished is not made again, and what it had begun is begun again elsewhere.
"""

import logging
import os
import resource
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from hnhub.errors import MissingExtra, ServiceError, UsageError
from hnhub.llm.types import Answer, Request
from hnhub.progress import report

if TYPE_CHECKING:
    from hnhub.llm.client import Model

__all__ = ["OpenModel", "RayEngine", "RayModel", "ray_engine"]

log = logging.getLogger(__name__)

Result = TypeVar("Result")
OpenModel = Callable[[], AbstractContextManager["Model"]]
"""Opens a language model; has to be picklable."""

_DEATHS = 5
"""Workers that one part may cost before it is taken to be at fault."""
_PATIENCE = 300.0
"""Seconds without any worker before the cluster is taken to have no room."""
_ASK, _AHEAD = 512, 3
"""Requests that are handed at once to the process that asks the language model, and how many such batches wait there."""


@contextmanager
def ray_engine(
    *, address: str | None, workers: int | None, gpus_per_worker: float | None, memory: int | None
) -> "Iterator[RayEngine]":
    """Join the cluster at `address`, or start one on this machine, and leave it at the end.

    `workers`: None is one a core (or as many as the GPUs serve). `gpus_per_worker`: None is 1 if the cluster has GPUs.
    `memory`: bytes that a worker without a GPU may use.
    Raises MissingExtra without Ray, ServiceError if the cluster is not there.
    """
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
        import ray
    except ImportError as error:
        raise MissingExtra("ray", extra="ray") from error
    started = not ray.is_initialized()
    if started:
        _check_address(address)
        local = {"num_cpus": workers, "include_dashboard": False} if address is None else {"address": address}
        try:
            ray.init(**local, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ServiceError(
                f"no Ray cluster at {address or 'this machine'} ({error})", do="start it, or mend --ray-address"
            ) from error
    try:
        has = ray.cluster_resources()
        gpus = min(1.0, has.get("GPU", 0.0)) if gpus_per_worker is None else gpus_per_worker
        room = has.get("GPU", 0.0) / gpus if gpus else has.get("CPU", 1.0)
        engine = RayEngine(workers or max(1, int(room)), gpus, memory)
        try:
            yield engine
        finally:
            engine.close()
    finally:
        if started:
            ray.shutdown()


def _check_address(address: str | None) -> None:
    """Ray itself would go on trying for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise ServiceError(
            f"no Ray cluster at {address} ({error})", do="start one (`ray start --head`), or mend --ray-address"
        ) from error


class RayEngine:
    """Calls a function for every part in workers, each with one core and its share of a GPU, one part at a time."""

    threads: int | None = None
    worker_threads: int | None = 1

    def __init__(self, workers: int, gpus_per_worker: float, memory: int | None) -> None:
        import ray

        self.workers = workers
        self._options = {"num_cpus": 1, "num_gpus": gpus_per_worker, **({"memory": memory} if memory else {})}
        # CUDA reserves address space by the hundred gigabytes, so there the GPU's own memory is the bound.
        self._limit = None if gpus_per_worker else memory
        self._worker = ray.remote(_Worker)
        self._idle: list[Any] = []
        self._all: list[Any] = []

    def map(self, make: Callable[[int], Result], count: int, *, gpu: bool = False) -> Iterator[Result]:
        """`make(0)` to `make(count - 1)`, in this order; at most one a worker is under way.

        Errors of `make` pass through. Raises ServiceError if a part costs five workers, or there is room for none.
        """
        import ray

        del gpu  # a worker has what it was given for its lifetime
        shared = ray.put(make)
        waiting, deaths = deque(range(count)), Counter[int | None]()
        busy: dict[Any, tuple[Any, int | None]] = {}  # what is awaited -> worker, its part (None: it starts)
        results: dict[int, Result] = {}
        following = 0
        try:
            while following < count:
                self._start(busy, len(waiting))
                while waiting and self._idle:
                    worker, part = self._idle.pop(), waiting.popleft()
                    busy[worker.make.remote(shared, part)] = (worker, part)
                done, _ = ray.wait(list(busy), timeout=_PATIENCE)
                if not done:
                    if all(part is None for _, part in busy.values()):
                        raise ServiceError(
                            f"the Ray cluster has had no room for a worker for {_PATIENCE:.0f} s (one takes {self._options})",
                            do="ask for less a worker, or free the cluster",
                        )
                    continue
                worker, made = busy.pop(done[0])
                try:
                    value = ray.get(done[0])
                except ray.exceptions.RayTaskError as error:
                    raise _cause(error) from None
                except (
                    ray.exceptions.RayActorError,
                    ray.exceptions.OutOfMemoryError,
                    ray.exceptions.WorkerCrashedError,
                ):
                    self._all.remove(worker)
                    deaths[made] += 1
                    where = "its start" if made is None else f"part {made}"
                    log.warning("a worker was lost at %s", where)
                    if deaths[made] == _DEATHS:
                        raise ServiceError(
                            f"{_DEATHS} workers were lost at {where}",
                            do="see Ray's logs (memory? --memory-per-worker, --workers), and run the same command again: "
                            "finished parts are kept",
                        ) from None
                    if made is not None:
                        waiting.appendleft(made)
                    continue
                self._idle.append(worker)
                if made is not None:
                    results[made] = value
                    report("parts", following + len(results), count)
                while following in results:
                    yield results.pop(following)
                    following += 1
        finally:  # after an error some are still at work
            self._end([worker for worker, _ in busy.values()])

    def close(self) -> None:
        """End the workers."""
        self._end(list(self._all))
        self._idle = []

    def _end(self, workers: list[Any]) -> None:
        import ray

        for worker in workers:
            self._all.remove(worker)
            with suppress(Exception):
                ray.kill(worker)

    def _start(self, busy: dict[Any, tuple[Any, int | None]], wanted: int) -> None:
        """Ask for workers as long as there is work for more."""
        starting = sum(part is None for _, part in busy.values())
        for _ in range(min(self.workers - len(self._all), wanted - len(self._idle) - starting)):
            worker = self._worker.options(**self._options).remote(self._limit)
            self._all.append(worker)
            busy[worker.ready.remote()] = (worker, None)


class _Worker:
    """An actor: a process with one core, that keeps the models it has loaded."""

    def __init__(self, limit: int | None) -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        self._limit = limit

    def ready(self) -> None:
        """Answer once the process is there."""

    def make(self, make: Callable[[int], Result], part: int) -> Result:
        """Make one part."""
        try:
            return make(part)
        except MemoryError as error:
            raise UsageError(
                f"part {part} takes more than a worker's {self._limit} bytes of memory", do="raise --memory-per-worker"
            ) from error


class RayModel:
    """A language model in a process of its own, that workers ask through Ray: one journal, one budget, one pace."""

    def __init__(self, open_model: OpenModel, askers: int) -> None:
        """Open it. Raises what `open_model` raises."""
        import ray

        actor = ray.remote(_Asker).options(num_cpus=0, max_concurrency=askers + 1)
        self._asker = actor.remote(open_model)
        self.identity: dict[str, str | None] = _get(self._asker.identity.remote())
        self._last: dict[str, dict[str, Any]] | None = None

    @property
    def totals(self) -> dict[str, dict[str, Any]]:
        """As `llm.client.Model.totals`."""
        return self._last if self._last is not None else _get(self._asker.totals.remote())

    def ask(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """As `llm.client.Model.ask`, some at a time, and some more ahead so that the model is not idle between."""
        source, ahead = iter(requests), deque[Any]()
        while True:
            while len(ahead) < _AHEAD and (batch := list(islice(source, _ASK))):
                ahead.append(self._asker.ask.remote(batch))
            if not ahead:
                return
            yield from _get(ahead.popleft())

    def close(self) -> None:
        """Let answers in flight arrive, and close; the totals stay."""
        with suppress(ServiceError):
            self._last = _get(self._asker.close.remote())


class _Asker:
    """An actor: holds the model."""

    def __init__(self, open_model: OpenModel) -> None:
        self._opened = open_model()
        self._model: Model = self._opened.__enter__()

    def identity(self) -> dict[str, str | None]:
        """Of the model."""
        return self._model.identity

    def totals(self) -> dict[str, dict[str, Any]]:
        """Of the model."""
        return self._model.totals

    def ask(self, requests: list[Request]) -> list[Answer]:
        """Answer them, in order."""
        return list(self._model.ask(requests))

    def close(self) -> dict[str, dict[str, Any]]:
        """Close the model; its totals."""
        self._opened.__exit__(None, None, None)
        return self._model.totals


def _get(reference: Any) -> Any:
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise _cause(error) from None
    except ray.exceptions.RayActorError as error:
        raise ServiceError(
            "the process that asks the language model was lost", do="run the same command again: answers are kept"
        ) from error


def _cause(error: Any) -> BaseException:
    """What was raised in a worker, in place of Ray's wrapper around its traceback."""
    cause = error.cause if isinstance(error.cause, BaseException) else error
    return cause if isinstance(cause, Exception) else error
