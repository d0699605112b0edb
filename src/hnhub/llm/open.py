"""`open_model` finds out what the endpoints serve, and gives the `Model` that asks them."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from hnhub.errors import ServiceError, UsageError
from hnhub.llm import embedded
from hnhub.llm.batch import MOST, Batches
from hnhub.llm.budget import Budget, Prices
from hnhub.llm.client import AHEAD, Model
from hnhub.llm.dispatch import Dispatcher
from hnhub.llm.endpoints import Endpoint, Served, address, detect
from hnhub.llm.journal import Failed, Journal, Stored
from hnhub.llm.pace import Pace
from hnhub.llm.prices import PriceList
from hnhub.llm.protocols import PROTOCOLS, Fault
from hnhub.llm.rate import Rate
from hnhub.llm.templates import find_template, renderer
from hnhub.llm.transport import Door
from hnhub.llm.types import Thinking
from hnhub.stages import canonical_json

__all__ = ["DEADLINE", "open_model"]

log = logging.getLogger(__name__)

DEADLINE = 300.0
"""Seconds that a try may take at most."""
_FIRST_LIMIT = 8
"""Requests in flight that an endpoint gets before it has shown what it can do."""


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
        found: list[Endpoint] = []

        def start() -> list[Endpoint]:
            if not found:
                servers.extend(embedded.start())
                found.extend(_local(server, Door.to(dispatcher.connections, server.url), served) for server in servers)
            return found

        try:
            if tuple(endpoints) == ("local",):
                served, in_flight = _embedded(model, batch=batch), embedded.children()
            else:
                found += _find(dispatcher, store, endpoints, api=api, model=model)
                for endpoint in found:
                    _set_up(endpoint, api, chat_template, max_in_flight)
                served, in_flight = found[0].served, max_in_flight * len(found)
            dispatcher.prices = _prices(prices, served.model, budget, batch=batch)
            if batch:
                batches = _batches(dispatcher, found, poll)
                in_flight = MOST // AHEAD
            yield Model(
                served,
                store,
                dispatcher,
                start=start,
                in_flight=in_flight,
                grace=grace,
                thinking=thinking,
                extra_body=extra_body,
                find=_finding(store, known),
                batches=batches,
            )
        finally:
            if batches is not None:
                dispatcher.run(batches.close())
            dispatcher.close()
            for server in servers:
                server.stop()


def _embedded(model: str | None, *, batch: bool) -> Served:
    """The embedded model, which can be asked for by no other name and takes no batches: else raises UsageError."""
    if model not in (None, embedded.MODEL):
        raise UsageError(
            f"the embedded model is {embedded.MODEL}, not {model}", do="give --endpoint URL, or leave out --model"
        )
    if batch:
        raise UsageError("the embedded model takes no batches", do="give --endpoint, or leave out --batch-api")
    return Served("openai", embedded.MODEL, embedded.revision(), embedded.server_version())


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
    lost = []
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
                lost.append(problems[-1])
                continue
            log.warning("%s does not answer (%s): it is taken to serve %s as before", url, fault.reason, known["model"])
            served = Served(**known)
        found.append(Endpoint(door, served, Pace(1, 1)))
    if not found:
        raise ServiceError(
            f"no endpoint answers ({'; '.join(problems)})", do="start it, or mend the address, --api or --model"
        )
    for problem in lost:
        log.warning("an endpoint is left out: %s", problem)
    if len({(endpoint.served.model, endpoint.served.revision) for endpoint in found}) > 1:
        listed = "; ".join(
            f"{endpoint.door.url}: {endpoint.served.model} {endpoint.served.revision}" for endpoint in found
        )
        raise UsageError(
            f"the endpoints serve different models ({listed})", do="name one with --model, or give one endpoint"
        )
    return found
