"""Sending many requests to several endpoints: an event loop in a thread of its own."""

import asyncio
import logging
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakSet

from hnhub.errors import HnhubError, ServiceError
from hnhub.llm.budget import Budget, Prices, worst_case
from hnhub.llm.connections import Connections
from hnhub.llm.endpoints import Endpoint, gives_way, send
from hnhub.llm.journal import Failed, Journal, Stored
from hnhub.llm.protocols import Fault
from hnhub.llm.rate import Rate, Sent
from hnhub.llm.types import Request

__all__ = ["Dispatcher", "Job"]

log = logging.getLogger(__name__)

_STRIKES = {"broken": 1, "useless": 3}
"""What a try without a proper answer counts; refusals and lost connections do not count."""
_OUT = 18
"""Strikes of one request before it is given up: a passing fault (a server that restarts) must not cost a row."""
_LAST_STRAW = 3
"""Requests in a row that used up their tries before the endpoints count as broken."""
_LATE_AT_ONCE = 8
"""Tries that may be late together at an endpoint of which nothing was heard since."""
_LOOK = 5.0
"""Seconds after which one who waits looks whether the thread still lives."""
_LONGEST_WAIT = 60.0
_LONGEST_RETRY = 5.0
_LONGEST_ASKED = 600.0
"""Seconds: before an endpoint, or one request, is tried again unasked, and when asked. Endpoints that all ask to wait longer (a day's quota is used up, say) count as gone."""


@dataclass(eq=False)
class Job:
    """A request on its way. `then` is called once, in another thread, when the outcome is in the journal."""

    owner: object
    key: bytes
    request: Request
    then: Callable[[Stored | Failed], None]
    strikes: int = 0
    tries: int = 0
    hung: bool = False
    """A try was cut off at a deadline that followed the others' latencies."""

    @cached_property
    def worst(self) -> tuple[int, int]:
        """Prompt and completion tokens that a try can't exceed."""
        return worst_case(self.request)


@dataclass(eq=False)
class _Place:
    """What a try takes up at an endpoint: one of the requests that it gets at once, until it is done or late."""

    endpoint: Endpoint
    sent: float
    late: bool = False
    timer: asyncio.TimerHandle | None = None

    def leave(self) -> bool:
        """Take up no place any more; False where too many are late and the endpoint has not been heard of since."""
        endpoint = self.endpoint
        if endpoint.heard < self.sent and endpoint.late >= _LATE_AT_ONCE:
            return False
        self.late = True
        endpoint.in_flight -= 1
        endpoint.late += 1
        return True

    def give_up(self) -> None:
        """The try is done."""
        if self.timer is not None:
            self.timer.cancel()
        if self.late:
            self.endpoint.late -= 1
        else:
            self.endpoint.in_flight -= 1


class Dispatcher:
    """Spreads jobs over endpoints, tries again, keeps within the budget, and writes outcomes to the journal."""

    def __init__(
        self, journal: Journal, budget: Budget, *, deadline: float, patience: float, rate: Rate | None = None
    ) -> None:
        """`deadline`: seconds that one try may take; `patience`: seconds without any answer before the endpoints count as gone.

        A try that takes much longer than others (`Endpoint.late_after`) goes on, but its place is given to another request, so one
        that hangs holds nobody up. It is cut off only long after every answer so far (`Endpoint.first_deadline`), and tried again with the
        whole deadline, so that no slow answer is paid for without end.
        """
        self.journal = journal
        self.budget = budget
        self.prices: Prices | None = None
        """Of the model, where they are known."""
        self.rate = rate or Rate()
        self.deadline = deadline
        self.patience = patience
        self.endpoints: Sequence[Endpoint] = ()
        self.fatal: HnhubError | None = None
        self.on_fatal: Callable[[], None] = lambda: None
        self.sent: Counter[str] = Counter()
        """Tries by method."""
        self.faults: Counter[str] = Counter()
        """Tries that brought nothing, by reason."""
        self._incoming: deque[Job] = deque()
        self._ready: deque[Job] = deque()
        self._tasks: dict[asyncio.Task[None], Job] = {}
        self._closed = WeakSet[object]()
        """Owners that were abandoned: what comes back of theirs from a retry is not sent."""
        self._alive = 0.0
        self._exhausted = 0
        self._timer: asyncio.TimerHandle | None = None
        self._random = random.Random()
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._bug)
        self._thread = threading.Thread(target=self._loop.run_forever, name="hnhub-llm", daemon=True)
        self._thread.start()
        self.connections: Connections = self.run(self._connections())

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the loop's thread and wait for it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        while True:
            try:
                return future.result(timeout=_LOOK)
            except TimeoutError:
                if future.done():
                    raise  # the coroutine's own
                self.check()

    def check(self) -> None:
        """Raise ServiceError if the thread that brings answers has ended: nobody may wait for it."""
        if not self._thread.is_alive():
            raise ServiceError("the thread that asks the endpoints has ended", do="report this, and run again")

    def submit(self, job: Job) -> None:
        """Take a job; from any thread."""
        first = not self._incoming
        self._incoming.append(job)
        if first:
            self._loop.call_soon_threadsafe(self._take)

    def abandon(self, owner: object, grace: float) -> None:
        """Send no more of an owner's jobs; wait up to `grace` seconds for those in flight, then cut them off."""
        self._loop.call_soon_threadsafe(self._drop, owner)
        try:
            if count := sum(job.owner is owner for job in list(self._tasks.values())):
                log.info("waiting up to %g s for %d answers in flight; Ctrl-C again to stop at once", grace, count)
            self.run(self._settle(owner, grace))
        except KeyboardInterrupt:
            self.run(self._settle(owner, 0))
            raise
        written = threading.Event()
        self.journal.when_written(written.set)
        while not written.wait(_LOOK) and self.journal.error() is None:
            pass

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Have a function called in the loop's thread; from any thread."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def fail(self, error: HnhubError) -> None:
        """End all asking with an error; in the loop's thread."""
        self._fail(error)

    def close(self) -> None:
        """Stop the loop and its thread."""
        self.run(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- all that follows runs in the loop's thread

    def _take(self) -> None:
        if not self._tasks:
            self._alive = self._loop.time()  # patience counts from the moment there is something to do
        while self._incoming:
            self._ready.append(self._incoming.popleft())
        self._pump()

    def _drop(self, owner: object) -> None:
        self._closed.add(owner)

    async def _connections(self) -> Connections:
        return Connections()

    async def _settle(self, owner: object, grace: float) -> None:
        tasks = [task for task, job in self._tasks.items() if job.owner is owner]
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _shut(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.connections.close()

    def _pump(self) -> None:
        """Send what may be sent now."""
        while self._ready and self.fatal is None:
            job = self._ready[0]
            if job.owner in self._closed:
                self._ready.popleft()
                continue
            endpoint = self._choose()
            if endpoint is None:
                return
            if self.rate.capped and (wait := self.rate.wait(self._loop.time(), sum(job.worst))):
                self._wake_at(self._loop.time() + wait)
                return
            if self.budget.limited and not self.budget.reserve(job.worst, self.prices):
                if not self._tasks:
                    self._fail(self.budget.reached())
                return
            self._ready.popleft()
            endpoint.in_flight += 1
            counted = self.rate.take(self._loop.time(), sum(job.worst)) if self.rate.capped else None
            task = self._loop.create_task(self._try(job, endpoint, counted))
            self._tasks[task] = job
            task.add_done_callback(self._done)
        if self.fatal is not None and not self._tasks:
            self.journal.when_written(self.on_fatal)

    def _choose(self) -> Endpoint | None:
        """The endpoint with the most room; if all are left out for a while, wake up when the first is back."""
        now = self._loop.time()
        best, load, wake = None, 1.0, None
        for endpoint in self.endpoints:
            if endpoint.dead:
                continue
            if endpoint.not_before > now:
                wake = min(wake or endpoint.not_before, endpoint.not_before)
                continue
            # After a fault one request shows whether it is well again.
            limit = 1 if endpoint.faults else endpoint.pace.limit
            if endpoint.in_flight / limit < load:
                best, load = endpoint, endpoint.in_flight / limit
        if best is None and wake is not None:
            self._wake_at(wake)
        return best

    def _wake_at(self, when: float) -> None:
        """Look again then, unless a look is due before."""
        timer = self._timer
        if timer is None or timer.cancelled() or timer.when() <= self._loop.time() or timer.when() > when:
            if timer is not None:
                timer.cancel()
            self._timer = self._loop.call_at(when, self._wake)

    def _bug(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What would only be logged, and leave those who wait without an answer."""
        error = context.get("exception")
        log.error("asking ended in a bug: %s", context.get("message"), exc_info=error)
        if isinstance(error, Exception):
            self._fail(ServiceError(f"asking ended in a bug ({type(error).__name__}: {error})", do="report this"))

    def _wake(self) -> None:
        self._timer = None
        self._pump()

    def _done(self, task: "asyncio.Task[None]") -> None:
        job = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a request ended in a bug", exc_info=error)
            self._fail(ServiceError(f"request {job.request.id}: {type(error).__name__}: {error}", do="report this"))
        self._pump()

    async def _try(self, job: Job, endpoint: Endpoint, counted: Sent | None) -> None:
        sent, structured, switch = self._loop.time(), endpoint.structured, endpoint.switch
        self.sent[job.request.method] += 1
        place = _Place(endpoint, sent)
        self._watch(place)
        deadline = self.deadline if job.hung else min(self.deadline, endpoint.first_deadline())
        try:
            reply = await send(endpoint, job.request, deadline)
        except Fault as fault:
            self._spend(job, job.worst if fault.charged else (0, 0))
            self.faults[fault.reason] += 1
            log.debug("%s: request %s: %s", endpoint.door.url, job.request.id, fault.reason)
            if fault.kind == "rejected":
                self._rejected(job, endpoint, fault, structured=structured, switch=switch)
            else:
                self._faulted(job, endpoint, fault, sent)
        except asyncio.CancelledError:
            self._spend(job, job.worst)
            raise
        else:
            prompt, completion = reply.prompt_tokens, reply.completion_tokens
            used = (job.worst[0] if prompt is None else prompt, job.worst[1] if completion is None else completion)
            self._spend(job, used)
            if counted is not None:
                counted.tokens = sum(used)
            self._alive = self._loop.time()
            self._exhausted = endpoint.faults = 0
            endpoint.latencies.append(self._alive - sent)
            endpoint.heard = self._alive
            if not place.late:
                endpoint.pace.answered(self._alive, sent, full=bool(self._ready))
            self._write(job, endpoint, Stored(reply.text, reply.finish, *used, endpoint.served.server))
        finally:
            place.give_up()

    def _watch(self, place: "_Place") -> None:
        """Give the place of a try to another when it is late, and look again if it can't be given yet."""
        if place.endpoint.pace.most > 1:
            place.timer = self._loop.call_later(place.endpoint.late_after(), self._late, place)

    def _late(self, place: "_Place") -> None:
        if place.leave():
            self._pump()
        else:
            self._watch(place)

    def _spend(self, job: Job, used: tuple[int, int]) -> None:
        self.budget.settle(job.worst if self.budget.limited else (0, 0), *used, self.prices)

    def _write(self, job: Job, endpoint: Endpoint, outcome: Stored | Failed) -> None:
        served = endpoint.served
        try:
            self.journal.add(job.key, job.request, served.model, served.revision, outcome=outcome, then=job.then)
        except HnhubError as error:
            self._fail(error)

    def _rejected(self, job: Job, endpoint: Endpoint, fault: Fault, *, structured: bool, switch: int) -> None:
        """The request itself is at fault, unless it may be put in another way."""
        if gives_way(endpoint, job.request, fault.reason, structured=structured, switch=switch):
            self._ready.appendleft(job)
        else:
            self._write(job, endpoint, Failed(fault.reason))

    def _faulted(self, job: Job, endpoint: Endpoint, fault: Fault, sent: float) -> None:
        now = self._loop.time()
        if fault.kind in _STRIKES:
            self._again(job, endpoint, fault)
        else:
            self._ready.appendleft(job)
        if fault.kind == "fatal":
            endpoint.dead = fault.reason
            log.warning("%s is left out: %s", endpoint.door.url, fault.reason)
        elif fault.kind == "refused":
            endpoint.pace.refused(now, sent)
        if fault.kind in ("refused", "lost") or (fault.kind in _STRIKES and len(self.endpoints) > 1):
            self._leave_out(endpoint, fault, sent)
        if all(one.dead for one in self.endpoints) or self._too_long(now, fault):
            self._fail(self._gone(fault))

    def _leave_out(self, endpoint: Endpoint, fault: Fault, sent: float) -> None:
        """For a while that grows with every fault in a row; requests that were in flight together count once."""
        now = self._loop.time()
        if sent >= endpoint.faulted:
            endpoint.faults += 1
            endpoint.faulted = now
        wait = self._backoff(endpoint.faults) if fault.wait is None else fault.wait
        endpoint.not_before = max(endpoint.not_before, now + wait)

    def _too_long(self, now: float, fault: Fault) -> bool:
        back = min(one.not_before for one in self.endpoints if not one.dead)
        return back - now > _LONGEST_ASKED or now - self._alive > self.patience + (
            self.deadline if fault.kind in _STRIKES else 0
        )

    def _again(self, job: Job, endpoint: Endpoint, fault: Fault) -> None:
        job.tries += 1
        job.hung = job.hung or fault.late
        job.strikes += _STRIKES[fault.kind]
        if job.strikes < _OUT:
            wait = self._backoff(job.tries, _LONGEST_RETRY) if fault.wait is None else min(fault.wait, _LONGEST_ASKED)
            self._loop.call_later(wait, self._requeue, job)
            return
        self._exhausted += 1
        if self._exhausted >= _LAST_STRAW:
            self._fail(self._gone(fault))
        self._write(job, endpoint, Failed(fault.reason))

    def _requeue(self, job: Job) -> None:
        self._ready.appendleft(job)
        self._pump()

    def _backoff(self, times: int, longest: float = _LONGEST_WAIT) -> float:
        return min(longest, 0.1 * 2.0**times) * self._random.uniform(0.5, 1.5)

    def _gone(self, fault: Fault) -> ServiceError:
        where = ", ".join(endpoint.door.url for endpoint in self.endpoints)
        return ServiceError(
            f"no usable answer from {where}: {fault.reason}",
            do="see to the endpoint and run the same command again: what was answered is kept",
        )

    def _fail(self, error: HnhubError) -> None:
        self.fatal = self.fatal or error
        if not self._tasks:
            self.journal.when_written(self.on_fatal)
