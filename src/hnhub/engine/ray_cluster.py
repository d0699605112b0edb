"""Parts of stages made by workers of a Ray cluster. Ray starts, places and watches them; hnhub only says what is next.

The same functions run as in `engines.Local`. A part that is finished lies on the build's filesystem, so what a lost worker
had finished is not made again, and what it had begun is begun again elsewhere.
"""

import logging
import os
import resource
import socket
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from hnhub.errors import MissingExtra, ServiceError, UsageError
from hnhub.progress import report

__all__ = ["RayEngine", "cause", "environment", "move_in", "ray_engine"]

log = logging.getLogger(__name__)

Result = TypeVar("Result")
_DEATHS = 5
"""Workers that one part may cost before it is taken to be at fault."""
_PATIENCE = 300.0
"""Seconds without any worker before the cluster is taken to have no room."""


@contextmanager
def ray_engine(
    *, address: str | None, workers: int | None, gpus_per_worker: float | None, memory: int | None, folder: Path
) -> "Iterator[RayEngine]":
    """Join the cluster at `address`, or start one on this machine, and leave it at the end.

    `folder` is where parts are made, which every node has to see. `workers`: None is one a core (or as many as the GPUs serve). `gpus_per_worker`: None is 1 if the cluster has GPUs.
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
        engine = RayEngine(workers, gpus, memory, folder)
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
    """Calls a function for every part in workers, each with one core, one part at a time; a GPU's share where one helps."""

    threads: int | None = None
    worker_threads: int | None = 1

    def __init__(self, workers: int | None, gpus_per_worker: float, memory: int | None, folder: Path) -> None:
        import ray

        self._sign = folder / f".seen-{uuid.uuid4().hex}"

        self._most = workers
        self._gpus = gpus_per_worker
        self._memory = memory
        self._with_gpu = False
        self._worker = ray.remote(_Worker)
        self._idle: list[Any] = []
        self._all: list[Any] = []

    @property
    def workers(self) -> int:
        """How many there may be of the kind that is at work."""
        import ray

        has = ray.cluster_resources()
        room = has.get("GPU", 0.0) / self._gpus if self._with_gpu else has.get("CPU", 1.0)
        return self._most or max(1, int(room))

    def map(self, make: Callable[[int], Result], count: int, *, gpu: bool = False) -> Iterator[Result]:
        """`make(0)` to `make(count - 1)`, in this order; at most one a worker is under way.

        Errors of `make` pass through. Raises ServiceError if a part costs five workers, or there is room for none, UsageError if a
        node does not see the folder of the parts.
        """
        import ray

        if (gpu and self._gpus > 0) != self._with_gpu:
            self.close()  # one kind of worker at a time, so that neither waits for the other's cores
            self._with_gpu = not self._with_gpu
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
                            f"the Ray cluster has had no room for a worker for {_PATIENCE:.0f} s (one takes {self._options()})",
                            do="ask for less a worker, or free the cluster",
                        )
                    continue
                worker, made = busy.pop(done[0])
                try:
                    value = ray.get(done[0])
                except ray.exceptions.RayTaskError as error:
                    self._idle.append(worker)
                    raise cause(error) from None
                except (
                    ray.exceptions.RayActorError,
                    ray.exceptions.OutOfMemoryError,
                    ray.exceptions.WorkerCrashedError,
                ):
                    # Idle ones may have died with it (a node that left): new ones are asked for when they are needed.
                    self._end([worker, *self._idle])
                    self._idle = []
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
        self._sign.unlink(missing_ok=True)

    def _end(self, workers: list[Any]) -> None:
        import ray

        for worker in workers:
            self._all.remove(worker)
            with suppress(Exception):
                ray.kill(worker)

    def _start(self, busy: dict[Any, tuple[Any, int | None]], wanted: int) -> None:
        """Ask for workers as long as there is work for more."""
        starting = sum(part is None for _, part in busy.values())
        self._sign.parent.mkdir(parents=True, exist_ok=True)
        self._sign.touch()
        for _ in range(min(self.workers - len(self._all), wanted - len(self._idle) - starting)):
            # CUDA reserves address space by the hundred gigabytes, so there the GPU's own memory is the bound.
            limit = None if self._with_gpu else self._memory
            worker = self._worker.options(**self._options()).remote(limit, str(Path.cwd()), environment())
            self._all.append(worker)
            busy[worker.ready.remote(self._sign)] = (worker, None)

    def _options(self) -> dict[str, float]:
        memory = {"memory": self._memory} if self._memory else {}
        return {"num_cpus": 1, "num_gpus": self._gpus if self._with_gpu else 0, **memory}


class _Worker:
    """An actor: a process with one core, that keeps the models it has loaded."""

    def __init__(self, limit: int | None, folder: str, environment: Mapping[str, str]) -> None:
        move_in(folder, environment)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        self._limit = limit

    def ready(self, sign: Path) -> None:
        """Answer once the process is there. Raises UsageError if it does not see the driver's sign in the folder of the parts."""
        if not sign.exists():
            raise UsageError(
                f"the node {socket.gethostname()} does not see {sign.parent} as the driver does",
                do="give --out a folder of a filesystem that all nodes share, by its full path",
            )

    def make(self, make: Callable[[int], Result], part: int) -> Result:
        """Make one part."""
        try:
            return make(part)
        except MemoryError as error:
            raise UsageError(
                f"part {part} takes more than a worker's {self._limit} bytes of memory", do="raise --memory-per-worker"
            ) from error


def environment() -> dict[str, str]:
    """What hnhub and the Hub's libraries read; a cluster that was started elsewhere has other settings, and no token."""
    return {name: value for name, value in os.environ.items() if name.startswith(("HNHUB_", "HF_"))}


def move_in(folder: str, environment: Mapping[str, str]) -> None:
    """Make a process like the driver's: its folder, for relative paths, and its settings."""
    os.environ.update(environment)
    with suppress(OSError):
        os.chdir(folder)


def cause(error: Any) -> BaseException:
    """What was raised in a worker, in place of Ray's wrapper around its traceback."""
    cause = error.cause if isinstance(error.cause, BaseException) else error
    return cause if isinstance(cause, Exception) else error
