"""Asking: `open_model` finds out what the endpoints are, `Model.ask` sends requests and reads answers, in order."""

import hashlib
import logging
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from hnhub.errors import ServiceError, UsageError
from hnhub.llm import embedded, structured
from hnhub.llm.batch import MOST, Batches
from hnhub.llm.budget import Budget, Prices
from hnhub.llm.dispatch import Dispatcher, Job
from hnhub.llm.endpoints import Endpoint, Served, address, detect
from hnhub.llm.journal import Failed, Journal, Stored, request_key
from hnhub.llm.pace import Pace
from hnhub.llm.prices import PriceList
from hnhub.llm.protocols import PROTOCOLS, THINKING_HINT, Fault, without_thoughts
from hnhub.llm.rate import Rate
from hnhub.llm.templates import find_template, renderer
from hnhub.llm.transport import Door
from hnhub.llm.types import Answer, Request, Thinking
from hnhub.progress import count
from hnhub.records import Provenance
from hnhub.stages import canonical_json

__all__ = ["DEADLINE", "Model", "open_model"]

log = logging.getLogger(__name__)

_FIRST_LIMIT = 8
"""Requests in flight that an endpoint gets before it has shown what it can do."""
_AHEAD = 4
"""Requests read ahead of the oldest unanswered one, in multiples of those that may be in flight."""
_LOOK = 5.0
"""Seconds after which one who waits for an answer looks whether those who bring it still live."""
DEADLINE = 300.0
"""Seconds that a try may take at most."""


@dataclass(eq=False)
class _Pending:
    """A request between the caller's iterator and the answer."""

    request: Request
    ask: int = 0
    sent: bool = False
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
        self._read_ahead = _AHEAD * in_flight
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

        `requests`, `prompt_tokens`, `completion_tokens`, `parse_failures` (asks whose answer did not fit the schema) and
        `failures` (by reason) are the same in every rerun; `sent` (tries) and `cached` tell what this run did.
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
            counts["requests"] += 1
            counts["cached"] += answer.cached
            counts["prompt_tokens"] += answer.prompt_tokens
            counts["completion_tokens"] += answer.completion_tokens
            counts["parse_failures"] += pending.ask
            if answer.failure is not None:
                failures[answer.failure] += 1
        tokens, cost = self._dispatcher.budget.fresh()
        count(tokens=tokens, cost=cost, failures=pending.ask)
        return answer


@contextmanager
def open_model(
    endpoints: Sequence[str],
    *,
    journal: Path,
    api: str = "auto",
    model: str | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    prices: PriceList | Prices | None = None,
    budget: Budget | None = None,
    rate: Rate | None = None,
    batch: bool = False,
    poll: float = 10.0,
    max_in_flight: int = 256,
    deadline: float = DEADLINE,
    patience: float = 120.0,
    grace: float = 15.0,
    chat_template: str | None = None,
    thinking: Thinking = "auto",
    extra_body: str | None = None,
    known: Callable[[bytes], Stored | Failed | None] | None = None,
) -> Iterator[Model]:
    """Open the model that the endpoints serve.

    `endpoints` are addresses (see `hnhub.llm.endpoints.address`), or only `local`. `budget` is one that several models share, in
    place of the limits. `rate` caps requests and tokens a minute. With `batch` requests go to one endpoint by OpenAI's batch API, which is
    looked at every `poll` seconds at first. `max_in_flight` requests at most are sent to one endpoint at once; `deadline` seconds at most may a try take (less where answers come much faster, see
    `hnhub.llm.dispatch`), `patience` seconds may pass without any answer, `grace` seconds are answers waited for after Ctrl-C. `chat_template` (Jinja) is for TGI's own protocol and for
    completions, where neither the server nor the Hub has the model's; its digest stands with the revision. `thinking` tells the
    model whether to think before it answers, and gives it room to; `extra_body` (a JSON object) goes into every request's body. `known` gives what is known of a
    request, by its key, where the journal has no answer.

    Raises UsageError for bad arguments or endpoints that serve different models, ServiceError if none answers.
    """
    if api not in ("auto", *PROTOCOLS):
        raise UsageError(f"api {api!r} is not known", do=f"take one of auto, {', '.join(PROTOCOLS)}")
    if not endpoints or ("local" in endpoints and len(endpoints) > 1):
        raise UsageError("no endpoint, or `local` among others", do="give --endpoint local, or one or more addresses")
    if isinstance(prices, Prices):
        prices = PriceList({}, others=prices)
    budget = budget or Budget(max_tokens, max_cost)
    with Journal(journal) as store:
        dispatcher = Dispatcher(store, budget, deadline=deadline, patience=patience, rate=rate)
        batches: Batches | None = None
        servers: list[embedded.Server] = []
        find = _finding(store, known)

        def start() -> list[Endpoint]:
            servers.extend(embedded.start())
            return [_local(server, Door.to(dispatcher.connections, server.url), served) for server in servers]

        try:
            if tuple(endpoints) == ("local",):
                if model not in (None, embedded.MODEL):
                    raise UsageError(
                        f"the embedded model is {embedded.MODEL}, not {model}",
                        do="give --endpoint URL, or leave out --model",
                    )
                if batch:
                    raise UsageError(
                        "the embedded model takes no batches", do="give --endpoint, or leave out --batch-api"
                    )
                served = Served("openai", embedded.MODEL, embedded.revision(), embedded.server_version())
                dispatcher.prices = _prices(prices, served.model, budget, batch=False)
                yield Model(
                    served,
                    store,
                    dispatcher,
                    start=start,
                    in_flight=embedded.children(),
                    grace=grace,
                    thinking=thinking,
                    extra_body=extra_body,
                    find=find,
                )
            else:
                found = _find(dispatcher, store, endpoints, api=api, model=model)
                for endpoint in found:
                    _set_up(endpoint, api, chat_template, max_in_flight)
                in_flight = max_in_flight * len(found)
                dispatcher.prices = _prices(prices, found[0].served.model, budget, batch=batch)
                if batch:
                    batches = _batches(dispatcher, found, poll)
                    in_flight = MOST // _AHEAD
                yield Model(
                    found[0].served,
                    store,
                    dispatcher,
                    start=lambda: found,
                    in_flight=in_flight,
                    grace=grace,
                    thinking=thinking,
                    extra_body=extra_body,
                    find=find,
                    batches=batches,
                )
        finally:
            if batches is not None:
                dispatcher.run(batches.close())
            dispatcher.close()
            for server in servers:
                server.stop()


def _finding(
    journal: Journal, known: Callable[[bytes], Stored | Failed | None] | None
) -> Callable[[bytes], Stored | Failed | None]:
    return journal.find if known is None else lambda key: journal.find(key) or known(key)


def _prices(prices: PriceList | None, model: str, budget: Budget, *, batch: bool) -> Prices | None:
    """What a model costs. Raises UsageError where a limit on cost needs it and the list does not know it."""
    found = prices.of(model, batch=batch) if prices else None
    if found is None and budget.max_cost is not None:
        where = f"{prices.where}: has no price of {model}" if prices else "a limit on cost needs prices"
        raise UsageError(where, do="give the price of a million tokens read and of a million written")
    return found


def _batches(dispatcher: Dispatcher, found: Sequence[Endpoint], poll: float) -> Batches:
    if len(found) > 1 or found[0].served.api != "openai":
        raise UsageError(
            "a batch goes to one endpoint with OpenAI's chat", do="give one --endpoint, or leave out --batch-api"
        )
    return Batches(dispatcher, found[0], poll=poll, quiet=min(1.0, poll))


def _local(server: embedded.Server, door: Door, served: Served) -> Endpoint:
    return Endpoint(door, served, Pace(1, 1), prepare=embedded.SavedPrompts(server, door))


def _set_up(endpoint: Endpoint, api: str, chat_template: str | None, max_in_flight: int) -> None:
    """Give an endpoint its pace, and its chat template where the protocol needs one."""
    endpoint.pace = Pace(_FIRST_LIMIT, max_in_flight)
    served = endpoint.served
    if PROTOCOLS[served.api].chat:
        if chat_template is not None:
            raise UsageError(
                f"{endpoint.door.url} applies its own chat template",
                do="leave yours out, or use --api openai-completions",
            )
        return
    if chat_template is None:
        template = served.template or find_template(served.asked, served.revision)
    else:
        # It shapes the answers and is no part of the messages: so it is told with the revision, in keys and rows.
        known = f"{served.revision} " if served.revision else ""
        digest = hashlib.sha256(chat_template.encode()).hexdigest()[:16]
        endpoint.served = served = replace(served, revision=f"{known}chat-template-{digest}")
        template = (chat_template, served.template[1] if served.template else "")
    if template is not None:
        endpoint.render = renderer(template)
    elif served.api == "tgi" and api == "auto":
        endpoint.served = replace(served, api="openai")  # TGI serves that too, with its own template
        log.warning(
            "%s: the chat template of %s is not to be had: using the server's chat", endpoint.door.url, served.model
        )
    else:
        raise UsageError(
            f"{endpoint.door.url}: the chat template of {served.model} is not to be had",
            do="give one by --chat-template, or use --api openai",
        )


def _find(
    dispatcher: Dispatcher, journal: Journal, given: Sequence[str], *, api: str, model: str | None
) -> list[Endpoint]:
    found = []
    problems = []
    for one in dict.fromkeys(given):
        url, credentials = address(one)
        door = Door.to(dispatcher.connections, url, credentials)
        url = door.url
        place = canonical_json([url, api, model])
        try:
            served = dispatcher.run(detect(door, api, model))
            journal.remember(place, asdict(served))
        except Fault as fault:
            problems.append(f"{url}: {fault.reason}")
            known = journal.recall(place)
            if known is None or fault.kind == "fatal":
                log.warning("%s is left out: %s", url, fault.reason)
                continue
            log.warning("%s does not answer (%s): it is taken to serve %s as before", url, fault.reason, known["model"])
            served = Served(**known)
        found.append(Endpoint(door, served, Pace(1, 1)))
    if not found:
        raise ServiceError(
            f"no endpoint answers ({'; '.join(problems)})", do="start it, or mend the address, --api or --model"
        )
    if len({(endpoint.served.model, endpoint.served.revision) for endpoint in found}) > 1:
        listed = "; ".join(
            f"{endpoint.door.url}: {endpoint.served.model} {endpoint.served.revision}" for endpoint in found
        )
        raise UsageError(
            f"the endpoints serve different models ({listed})", do="name one with --model, or give one endpoint"
        )
    return found
