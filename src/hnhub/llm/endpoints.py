"""Endpoints: what the user named, what is found there, and sending one request to it."""

import logging
import math
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from hnhub.errors import ServiceError, UsageError
from hnhub.llm import protocols
from hnhub.llm.connections import Origin
from hnhub.llm.pace import Pace
from hnhub.llm.protocols import SWITCHES, Api, Fault, Reply
from hnhub.llm.templates import Render
from hnhub.llm.transport import Door
from hnhub.llm.types import Request
from hnhub.stages import fingerprint

__all__ = ["Endpoint", "Served", "address", "detect", "gives_way", "send"]

log = logging.getLogger(__name__)

_SCHEMA_WORDS = ("response_format", "json_schema", "grammar", "schema", "guided", "structured")
_SWITCH_WORDS = (
    "chat_template_kwargs",
    "enable_thinking",
    "reasoning_effort",
    "reasoning effort",
    "unrecognized request argument",
)
_LATE, _LATE_FACTOR, _LATE_UNKNOWN = 1.0, 4.0, 10.0
"""Seconds, and how many times the latency that nine of ten answers kept: a try that takes longer is late. And while none came."""
_FLOOR, _FLOOR_FACTOR = 60.0, 20.0
"""Seconds, and how many times the longest latency of late: no first try is cut off before."""


@dataclass(frozen=True)
class Served:
    """What an endpoint says of itself."""

    api: Api
    model: str
    revision: str | None
    """The model's revision, or a digest of what the server tells about its weights."""
    server: str | None
    template: tuple[str, str] | None = None
    """The model's chat template and the token that ends a turn, where the server tells."""
    path: str | None = None
    """What the server calls the model where that is a path of its machine: sent to it, and kept nowhere else."""

    @property
    def asked(self) -> str:
        """The model's name in requests."""
        return self.path or self.model


@dataclass(eq=False)
class Endpoint:
    """One address, and how it fares."""

    door: Door
    served: Served
    pace: Pace
    render: Render | None = None
    """Applies the chat template, for the protocols that need it."""
    prepare: Callable[[Request], Awaitable[dict[str, Any]]] | None = None
    """What has to happen before a request (the embedded server's saved prompt); gives members for the body."""
    structured: bool = True
    switch: int = 0
    """Which of `protocols.SWITCHES` tells its model whether to think."""
    in_flight: int = 0
    """Tries under way that are not late."""
    late: int = 0
    """Tries under way that have taken so long that they don't count (`hnhub.llm.dispatch`)."""
    heard: float = 0.0
    """When the last answer came (the loop's clock)."""
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    """Seconds that the latest answers took."""
    not_before: float = 0.0
    """Left out until then (the loop's clock)."""
    faults: int = 0
    """In a row."""
    faulted: float = 0.0
    """When the last of them was counted."""
    dead: str | None = None
    """Why it is left out for good."""

    def late_after(self) -> float:
        """Seconds after which a try is late."""
        usual = sorted(self.latencies)
        return max(_LATE, _LATE_FACTOR * usual[len(usual) * 9 // 10]) if usual else _LATE_UNKNOWN

    def first_deadline(self) -> float:
        """Seconds that the first try of a request gets at least."""
        return max(_FLOOR, _FLOOR_FACTOR * max(self.latencies)) if self.latencies else math.inf


def address(given: str) -> tuple[str, str | None]:
    """The base URL of an endpoint, with its query if it has one, and the credentials in it. Raises UsageError for what is no http(s) URL.

    `hf:providers` is Hugging Face's Inference Providers, `hf:NAMESPACE/NAME` a dedicated Inference Endpoint, both
    through `huggingface_hub`.
    """
    if given.startswith("hf:"):
        given = _hugging_face(given[3:])
    try:
        parts = urlsplit(given)
        usable = parts.scheme in ("http", "https") and Origin.of(given).address
    except ValueError:  # a port that is none, a name that no host can have
        usable = False
    if not usable:
        raise UsageError(
            f"endpoint {given.rpartition('@')[2]!r} is no address",
            do="give http(s)://HOST[:PORT], hf:providers, hf:NAMESPACE/NAME or local",
        )
    credentials = None if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    path = parts.path.rstrip("/").removesuffix("/v1")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, parts.query, "")), credentials


def _hugging_face(name: str) -> str:
    import huggingface_hub
    from huggingface_hub import constants

    if name == "providers":
        return constants.INFERENCE_PROXY_TEMPLATE.format(provider="v1")
    namespace, _, endpoint = name.rpartition("/")
    try:
        found = huggingface_hub.get_inference_endpoint(endpoint, namespace=namespace or None)
    except Exception as error:
        raise ServiceError(
            f"Inference Endpoint {name} can't be found ({type(error).__name__})",
            do="check its name and `hf auth whoami`",
        ) from error
    if not found.url:
        raise ServiceError(f"Inference Endpoint {name} is {found.status}", do="resume it and wait until it runs")
    return str(found.url)


async def detect(door: Door, api: str, model: str | None) -> Served:
    """Ask an endpoint what it is. Raises Fault (`lost`, `broken`, `useless`, `refused`, `fatal`)."""
    if api in ("auto", "tgi"):
        info = await (door.get_optional if api == "auto" else door.get)("/info")
        if isinstance(info, dict) and "model_id" in info and ("router" in info or "max_total_tokens" in info):
            version = info.get("version")
            name, path = _name(str(info["model_id"]))
            return Served("tgi", name, info.get("model_sha"), f"TGI {version}" if version else "TGI", path=path)
        if api == "tgi":
            raise Fault("fatal", "/info is not TGI's")
    listed = await door.get("/v1/models")
    try:
        models = {str(entry["id"]): entry for entry in listed["data"]}
    except (KeyError, TypeError) as error:
        raise Fault("fatal", "neither /info is TGI's nor /v1/models is OpenAI's") from error
    chosen = next((one for one in models if model in (None, one, _name(one)[0])), None)
    if chosen is None:
        raise Fault("fatal", f"model {model or ''} is not served here, but {', '.join(list(models)[:3]) or 'none'}")
    server, template = await _server(door, models[chosen])
    kind: Api = next((known for known in protocols.PROTOCOLS if known == api), "openai")
    if api == "auto" and not await _has_chat(door):
        kind = "openai-completions"
    name, path = _name(chosen)
    return Served(kind, name, _digest(models[chosen]), server, template, path)


def _name(told: str) -> tuple[str, str | None]:
    """A model's name, and where that is a path of the server's machine (llama.cpp's, vLLM's of a folder) its last part and the path."""
    if not (told.endswith(".gguf") or re.match(r"[/\\~.]|[A-Za-z]:[/\\]", told)):
        return told, None
    name = re.split(r"[/\\]", told.rstrip("/\\"))[-1]
    return name, None if name == told else told


def _digest(entry: Mapping[str, Any]) -> str | None:
    """llama.cpp tells size, quantisation and parameters of the weights; that much can be pinned."""
    meta = entry.get("meta")
    return f"meta-{fingerprint(meta)[:16]}" if isinstance(meta, dict) else None


async def _server(door: Door, entry: Mapping[str, Any]) -> tuple[str | None, tuple[str, str] | None]:
    """Kind and version of the server, and the chat template if it tells."""
    owner = str(entry.get("owned_by", ""))
    if owner == "llamacpp":
        props = await door.get_optional("/props")
        props = props if isinstance(props, dict) else {}
        text = props.get("chat_template")
        template = (text, str(props.get("eos_token") or "")) if isinstance(text, str) and text else None
        return f"llama.cpp {props.get('build_info', '')}".strip(), template
    for path, name in (("/version", "vLLM"), ("/get_server_info", "SGLang")):
        if owner in ("", name.lower()):
            told = await door.get_optional(path)
            if isinstance(told, dict) and isinstance(told.get("version"), str):
                return f"{name} {told['version']}", None
    return owner or None, None


async def _has_chat(door: Door) -> bool:
    """An empty request is refused with one of these only where there is no chat."""
    status, _, _ = await door.fetch("POST", protocols.PROTOCOLS["openai"].path, b"{}")
    return status not in (404, 405, 501)


async def send(endpoint: Endpoint, request: Request, deadline: float) -> Reply:
    """One try. `deadline` in seconds. Raises Fault."""
    served = endpoint.served
    body = protocols.body(
        served.api, request, served.asked, endpoint.render, structured=endpoint.structured, switch=endpoint.switch
    )
    if endpoint.prepare is not None:
        body |= await endpoint.prepare(request)
    headers, content = await endpoint.door.post(protocols.PROTOCOLS[served.api].path, body, deadline)
    return protocols.read_reply(served.api, headers.get("content-type", ""), headers, content)


def gives_way(endpoint: Endpoint, request: Request, reason: str, *, structured: bool, switch: int) -> bool:
    """Whether a refused request may be sent once more in another way: the server wants no schema, or no such word about thinking.

    `structured` and `switch` are how it was sent; what the endpoint takes from now on is noted in it.
    """
    thinking = request.thinking
    if thinking != "auto" and _is_about(reason, _SWITCH_WORDS) and switch + 1 < len(SWITCHES[thinking]):
        if endpoint.switch == switch:
            endpoint.switch += 1
            if not SWITCHES[thinking][endpoint.switch]:
                log.warning("%s takes no word about thinking: --thinking %s is not told", endpoint.door.url, thinking)
        return True
    if structured and request.schema and _is_about(reason, _SCHEMA_WORDS):
        if endpoint.structured:
            endpoint.structured = False
            log.warning("%s takes no JSON schema (%s): answers are read tolerantly", endpoint.door.url, reason)
        return True
    return False


def _is_about(reason: str, words: Sequence[str]) -> bool:
    return any(word in reason.lower() for word in words)
