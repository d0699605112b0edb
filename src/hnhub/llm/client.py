"""Asking: `Model.ask` sends requests and reads answers, in order. `hnhub.llm.open` makes a Model."""

import logging
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

from hnhub.errors import UsageError
from hnhub.llm import structured
from hnhub.llm.batch import Batches
from hnhub.llm.budget import Prices
from hnhub.llm.dispatch import Dispatcher, Job
from hnhub.llm.endpoints import Endpoint, Served
from hnhub.llm.journal import Failed, Journal, Stored, request_key
from hnhub.llm.protocols import THINKING_HINT, without_thoughts
from hnhub.llm.types import Answer, Request, Thinking
from hnhub.progress import count
from hnhub.records import Provenance
from hnhub.stages import canonical_json

__all__ = ["AHEAD", "Model"]

log = logging.getLogger(__name__)

AHEAD = 4
"""Requests read ahead of the oldest unanswered one, in multiples of those that may be in flight."""
_LOOK = 5.0
"""Seconds after which one who waits for an answer looks whether those who bring it still live."""


@dataclass(eq=False)
class _Pending:
    """A request between the caller's iterator and the answer."""

    request: Request
    ask: int = 0
    sent: bool = False
    known: int = 0
    """How many of its asks were answered without sending."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    answer: Answer | None = None


@dataclass(eq=False)
class _Stream:
    """One call of `ask`: what is pending, in order, and who waits for the same answer."""

    pending: deque[_Pending] = field(default_factory=deque)
    flying: dict[bytes, list[_Pending]] = field(default_factory=dict)
    arrived: deque[tuple[bytes, Request, Stored | Failed]] = field(default_factory=deque)
    """Outcomes that are in the journal and that nobody has looked at."""
    changed: threading.Condition = field(default_factory=threading.Condition)


class Model:
    """A model behind one endpoint or several; implements `hnhub.llm.types.LanguageModel`."""

    def __init__(
        self,
        served: Served,
        journal: Journal,
        dispatcher: Dispatcher,
        *,
        start: Callable[[], Sequence[Endpoint]],
        in_flight: int,
        grace: float,
        thinking: Thinking = "auto",
        extra_body: str | None = None,
        find: Callable[[bytes], Stored | Failed | None] | None = None,
        batches: Batches | None = None,
    ) -> None:
        """Made by `open_model`. `start` is called for the endpoints when the first request has to be sent.

        `find` is what is known without asking, by the request's key: the journal's answers. `batches` take the requests in the
        dispatcher's place.
        """
        self._served = served
        self._journal = journal
        self._find = find or journal.find
        self._dispatcher = dispatcher
        self._sender = batches or dispatcher
        self._start = start
        self._read_ahead = AHEAD * in_flight
        self._grace = grace
        self._thinking: Thinking = thinking
        self._extra_body = extra_body
        self._told = thinking != "auto" or extra_body is not None
        self._streams: list[_Stream] = []
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._failures: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._stopped = False
        self._shared = threading.Lock()
        """Several threads may ask at once."""
        dispatcher.on_fatal = self._wake_all
        journal.on_broken = self._wake_all

    @property
    def identity(self) -> dict[str, str | None]:
        """`model`, `revision` and `server`, and how it is told to think and what else it is told, if it is: for fingerprints."""
        told: dict[str, str | None] = {} if self._thinking == "auto" else {"thinking": self._thinking}
        told |= {} if self._extra_body is None else {"extra_body": self._extra_body}
        return {"model": self._served.model, "revision": self._served.revision, "server": self._served.server, **told}

    @property
    def totals(self) -> dict[str, dict[str, Any]]:
        """By method, of all answers given so far.

        `requests` (every ask, so a request that is asked again counts again), `prompt_tokens`, `completion_tokens`,
        `parse_failures` (asks whose answer did not fit the schema) and `failures` (by reason) are the same in every rerun;
        `sent` (tries) and `cached` (asks that were answered without sending) tell what this run did.
        """
        return {
            method: {
                **{name: counts[name] for name in ("requests", "cached", "prompt_tokens", "completion_tokens")},
                "parse_failures": counts["parse_failures"],
                "sent": self._dispatcher.sent[method],
                "failures": dict(sorted(self._failures[method].items())),
            }
            for method, counts in sorted(self._counts.items())
        }

    @property
    def prices(self) -> Prices | None:
        """What it costs, where that is known; of a batch if it goes by batches."""
        return self._dispatcher.prices

    @property
    def spent(self) -> dict[str, float]:
        """Tokens and cost of this run, lost tries included."""
        budget = self._dispatcher.budget
        return {
            "prompt_tokens": budget.prompt_tokens,
            "completion_tokens": budget.completion_tokens,
            "cost": budget.cost,
        }

    @property
    def faults(self) -> dict[str, int]:
        """Tries of this run that brought no answer, by reason."""
        return dict(sorted(self._dispatcher.faults.items()))

    def ask(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request, in the order given, in memory that does not grow with their number.

        A request that the model can't answer gives an Answer with `failure`. Raises ServiceError if the endpoints are
        gone, LimitReached if the budget is. An answer is in the journal before it is yielded. When the caller stops
        (Ctrl-C, an error, `close`), answers in flight are waited for a little and kept.
        """
        stream = _Stream()
        self._streams.append(stream)
        source = iter(requests)
        try:
            self._fill(stream, source)
            while stream.pending:
                answer = self._count(self._next(stream))
                # Before the caller works on the answer, so that the endpoints do not run dry meanwhile.
                if len(stream.pending) <= self._read_ahead * 3 // 4:
                    self._fill(stream, source)
                yield answer
        finally:
            self._streams.remove(stream)
            if stream.flying:
                self._sender.abandon(stream, self._grace)

    def _fill(self, stream: _Stream, source: Iterator[Request]) -> None:
        for asked in islice(source, self._read_ahead - len(stream.pending)):
            request = replace(asked, thinking=self._thinking, extra_body=self._extra_body) if self._told else asked
            if not 0 <= request.seed < 2**31:
                raise UsageError(f"request {request.id}: seed {request.seed} is out of range", do="take 0 to 2**31 - 1")
            pending = _Pending(request)
            stream.pending.append(pending)
            self._advance(stream, pending)

    def _advance(self, stream: _Stream, pending: _Pending) -> None:
        """Go on with a request as far as the journal knows the answers; then send."""
        while pending.answer is None:
            variant = structured.another_ask(pending.request, pending.ask)
            key = request_key(variant, self._served.model, self._served.revision)
            if (stored := self._find(key)) is not None:
                pending.known += 1
                self._take(pending, variant, stored)
                continue
            waiting = stream.flying.setdefault(key, [])
            waiting.append(pending)
            if len(waiting) == 1:
                with self._shared:
                    self._dispatcher.endpoints = self._dispatcher.endpoints or self._start()
                pending.sent = True
                self._sender.submit(Job(stream, key, variant, partial(self._arrived, stream, key, variant)))
            return

    def _arrived(self, stream: _Stream, key: bytes, variant: Request, outcome: Stored | Failed) -> None:
        """An outcome is in the journal (called in its thread, where nothing is read or asked)."""
        with stream.changed:
            stream.arrived.append((key, variant, outcome))
            stream.changed.notify()

    def _read(self, stream: _Stream) -> None:
        """Look at what has arrived, and ask again where it was no answer."""
        while stream.arrived:
            key, variant, outcome = stream.arrived.popleft()
            for pending in stream.flying.pop(key):
                self._take(pending, variant, outcome)
                self._advance(stream, pending)

    def _take(self, pending: _Pending, variant: Request, outcome: Stored | Failed) -> None:
        """Turn an outcome into the answer, or count a bad ask."""
        if isinstance(outcome, Failed):
            # Without the server's own words: they may differ from one try to the next, and this text is published.
            pending.answer = self._answer(pending, variant, None, failure=outcome.reason.partition(": ")[0])
            return
        pending.prompt_tokens += outcome.prompt_tokens
        pending.completion_tokens += outcome.completion_tokens
        text = without_thoughts(outcome.text)
        lost = f", lost in thinking ({THINKING_HINT})" if outcome.text.strip() and not text.strip() else ""
        if pending.request.schema is None:
            failure = f"an empty answer{lost}" if lost else None
            pending.answer = self._answer(
                pending, variant, None if lost else replace(outcome, text=text), failure=failure
            )
            return
        value, wrong = structured.read(text, pending.request.schema)
        if wrong is None:
            pending.answer = self._answer(pending, variant, outcome, value=value)
            return
        pending.ask += 1
        if pending.ask == structured.ASKS:
            cut = ", cut at max_tokens" if outcome.finish == "length" else ""
            pending.answer = self._answer(
                pending, variant, None, failure=f"{wrong}{cut}{lost} after {structured.ASKS} asks"
            )

    def _answer(
        self,
        pending: _Pending,
        variant: Request,
        stored: Stored | None,
        *,
        value: Any = None,
        failure: str | None = None,
    ) -> Answer:
        provenance = Provenance(
            method=variant.method,
            model=self._served.model,
            revision=self._served.revision,
            server=stored.server if stored else self._served.server,
            prompt_sha256=variant.prompt_sha256,
            sampling=canonical_json(variant.sampling),
            seed=variant.seed,
        )
        return Answer(
            request=pending.request,
            text=stored.text if stored else None,
            value=value,
            failure=failure,
            prompt_tokens=pending.prompt_tokens,
            completion_tokens=pending.completion_tokens,
            provenance=provenance,
            cached=not pending.sent,
        )

    def _next(self, stream: _Stream) -> _Pending:
        head = stream.pending[0]
        while True:
            self._read(stream)
            if head.answer is not None:
                return stream.pending.popleft()
            with stream.changed:
                if stream.arrived:
                    continue
                if error := self._dispatcher.fatal if self._stopped else self._journal.error():
                    raise error
                self._dispatcher.check()
                stream.changed.wait(_LOOK)

    def _wake_all(self) -> None:
        self._stopped = self._dispatcher.fatal is not None
        for stream in list(self._streams):  # callers' threads take theirs out
            with stream.changed:
                stream.changed.notify()

    def _count(self, pending: _Pending) -> Answer:
        answer = pending.answer
        assert answer is not None
        method = answer.request.method
        with self._shared:
            counts, failures = self._counts[method], self._failures[method]
            counts["requests"] += 1 + min(pending.ask, structured.ASKS - 1)
            counts["cached"] += pending.known
            counts["prompt_tokens"] += answer.prompt_tokens
            counts["completion_tokens"] += answer.completion_tokens
            counts["parse_failures"] += pending.ask
            if answer.failure is not None:
                failures[answer.failure] += 1
        tokens, cost = self._dispatcher.budget.fresh()
        count(tokens=tokens, cost=cost, failures=pending.ask)
        return answer
