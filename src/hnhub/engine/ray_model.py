"""A language model on Ray: in a process of its own, which workers ask."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnhub.engine.ray_cluster import cause, environment, move_in
from hnhub.errors import ServiceError
from hnhub.llm.types import Answer, Request

if TYPE_CHECKING:
    from hnhub.llm.client import Model

__all__ = ["OpenModel", "RayModel"]

OpenModel = Callable[[], AbstractContextManager["Model"]]
"""Opens a language model; has to be picklable."""

_Told = tuple[dict[str, dict[str, Any]], dict[str, float]]
"""Totals by method, and what was spent."""

_ASK, _AHEAD = 512, 3
"""Requests that are handed at once to the process that asks the language model, and how many such batches wait there."""


class RayModel:
    """A language model in a process of its own, that workers ask through Ray: one journal, one budget, one pace."""

    def __init__(self, open_model: OpenModel, askers: int) -> None:
        """Open it, beside the driver: its journal is no file for several machines. Raises what `open_model` raises."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(concurrency_groups={"asking": _AHEAD * (askers + 1)})(_Asker)
        self._asker = actor.options(num_cpus=0, scheduling_strategy=here).remote(str(Path.cwd()), environment())
        self._last: _Told | None = None
        self.identity: dict[str, str | None] = _get(self._asker.open.remote(open_model))

    @property
    def totals(self) -> dict[str, dict[str, Any]]:
        """As `llm.client.Model.totals`."""
        return self._told()[0]

    @property
    def spent(self) -> dict[str, float]:
        """As `llm.client.Model.spent`."""
        return self._told()[1]

    def _told(self) -> "_Told":
        return self._last if self._last is not None else _get(self._asker.told.remote())

    def ask(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """As `llm.client.Model.ask`, some at a time, and some more ahead so that the model is not idle between."""
        source, ahead = iter(requests), deque[Any]()
        while True:
            while len(ahead) < _AHEAD and (batch := tuple(islice(source, _ASK))):
                ahead.append(self._asker.ask.options(concurrency_group="asking").remote(batch))
            if not ahead:
                return
            yield from _get(ahead.popleft())

    def close(self) -> None:
        """Send nothing more, let answers in flight arrive, and close; the totals stay."""
        with suppress(ServiceError):
            self._last = _get(self._asker.close.remote())


class _Asker:
    """An actor: holds the model. Calls of `ask` have threads of their own, so that `close` does not wait behind them."""

    def __init__(self, folder: str, environment: Mapping[str, str]) -> None:
        move_in(folder, environment)
        self._stopped = False
        self._running: dict[tuple[Request, ...], Future[list[Answer]]] = {}
        self._lock = threading.Lock()

    def open(self, open_model: OpenModel) -> dict[str, str | None]:
        """Open the model; its identity."""
        self._opened = open_model()
        self._model: Model = self._opened.__enter__()
        return self._model.identity

    def told(self) -> _Told:
        """Of the model, what it was asked and what was spent."""
        return self._model.totals, self._model.spent

    def ask(self, requests: tuple[Request, ...]) -> list[Answer]:
        """Answer them, in order. Who asks the same again (in place of a worker that was lost) waits for the first answers."""
        with self._lock:
            first = requests not in self._running
            future = self._running.setdefault(requests, Future())
        if not first:
            return future.result()
        try:
            answers = []
            for answer in self._model.ask(self._until_stopped(requests)):
                answers.append(answer)
                if self._stopped:
                    break
            future.set_result(answers)
        except BaseException as error:
            future.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._running[requests]
        return answers

    def _until_stopped(self, requests: tuple[Request, ...]) -> Iterator[Request]:
        for request in requests:
            if self._stopped:
                return
            yield request

    def close(self) -> _Told:
        """Stop, and close the model; as `told`."""
        self._stopped = True
        with self._lock:
            running = [*self._running.values()]
        wait(running)
        self._opened.__exit__(None, None, None)
        return self.told()


def _get(reference: Any) -> Any:
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise cause(error) from None
    except ray.exceptions.RayActorError as error:
        raise ServiceError(
            "the process that asks the language model was lost", do="run the same command again: answers are kept"
        ) from error
