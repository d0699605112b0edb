"""Endpoints: what the user named, what is found there, and sending one request to it."""

import asyncio
import email.utils
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from hnhub.errors import ServiceError, UsageError
from hnhub.llm import protocols
from hnhub.llm.pace import Pace
from hnhub.llm.protocols import Api, Fault, Reply
from hnhub.llm.types import Message, Request

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Endpoint", "Served", "address", "detect", "headers_for", "send"]

_LARGEST = 32 * 1024 * 1024
"""Bytes of an answer; more is an answer that never ends."""
_ASKING = 10.0
"""Seconds that a question about the server itself may take."""


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


@dataclass(eq=False)
class Endpoint:
    """One address, and how it fares."""

    url: str
    """The base, without `/v1` and without credentials; safe to print."""
    headers: Mapping[str, str]
    served: Served
    pace: Pace
    render: Callable[[tuple[Message, ...]], str] | None = None
    prepare: Callable[["aiohttp.ClientSession", Request], Awaitable[dict[str, Any]]] | None = None
    """What has to happen before a request (the embedded server's saved prompt); gives members for the body."""
    structured: bool = True
    in_flight: int = 0
    not_before: float = 0.0
    """Left out until then (the loop's clock)."""
    faults: int = 0
    """In a row."""
    dead: str | None = None
    """Why it is left out for good."""


def address(given: str) -> tuple[str, str | None]:
    """The base URL of an endpoint and the credentials in it. Raises UsageError for what is no http(s) URL.

    `hf:providers` is Hugging Face's Inference Providers, `hf:NAMESPACE/NAME` a dedicated Inference Endpoint, both
    through `huggingface_hub`.
    """
    if given.startswith("hf:"):
        given = _hugging_face(given[3:])
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"endpoint {given!r} is no address",
            do="give http(s)://HOST[:PORT], hf:providers, hf:NAMESPACE/NAME or local",
        )
    credentials = None
    if parts.username is not None:
        credentials = f"{parts.username}:{parts.password or ''}"
    path = parts.path.rstrip("/").removesuffix("/v1")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", "")), credentials


def _hugging_face(name: str) -> str:
    import huggingface_hub
    from huggingface_hub import constants

    if name == "providers":
        return constants.INFERENCE_PROXY_TEMPLATE.format(provider="v1")
    namespace, _, endpoint = name.rpartition("/")
    try:
        found = huggingface_hub.get_inference_endpoint(endpoint, namespace=namespace or None)
    except Exception as error:  # any of the HTTP library's: hub 1 and 2 use different ones
        raise ServiceError(
            f"Inference Endpoint {name} can't be found ({type(error).__name__})",
            do="check its name and `hf auth whoami`",
        ) from error
    if not found.url:
        raise ServiceError(f"Inference Endpoint {name} is {found.status}", do="resume it and wait until it runs")
    return str(found.url)


def headers_for(url: str, credentials: str | None) -> dict[str, str]:
    """Headers with the secret that belongs to this host: the Hub's token goes to Hugging Face's hosts only.

    Other hosts get `HNHUB_API_KEY`, or what stands before the @ of the address.
    """
    import base64

    host = urlsplit(url).hostname or ""
    headers = {"content-type": "application/json", "accept": "application/json"}
    if credentials is not None:
        headers["authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
    elif host.endswith((".huggingface.cloud", ".huggingface.co", ".hf.space")):
        from huggingface_hub import get_token

        if token := get_token():
            headers["authorization"] = f"Bearer {token}"
    elif key := os.environ.get("HNHUB_API_KEY"):
        headers["authorization"] = f"Bearer {key}"
    return headers


async def detect(
    session: "aiohttp.ClientSession", url: str, headers: Mapping[str, str], api: str, model: str | None
) -> Served:
    """Ask an endpoint what it is. Raises Fault (`lost`, `broken`, `fatal`)."""
    if api in ("auto", "tgi"):
        info = await _get(session, f"{url}/info", headers)
        if isinstance(info, dict) and "model_id" in info and ("router" in info or "max_total_tokens" in info):
            version = info.get("version")
            return Served("tgi", info["model_id"], info.get("model_sha"), f"TGI {version}" if version else "TGI")
        if api == "tgi":
            raise Fault("fatal", "/info is not TGI's")
    listed = await _get(session, f"{url}/v1/models", headers)
    try:
        models = {str(entry["id"]): entry for entry in listed["data"]}
    except (KeyError, TypeError) as error:
        raise Fault("fatal", "neither /info is TGI's nor /v1/models is OpenAI's") from error
    if model is None and not models:
        raise Fault("fatal", "/v1/models lists no model")
    if model is not None and models and model not in models:
        names = ", ".join(list(models)[:3])
        raise Fault("fatal", f"model {model} is not served here, but {names}")
    chosen = model or next(iter(models))
    server, props = await _server(session, url, headers, models.get(chosen, {}))
    kind: Api = "openai-completions" if api == "openai-completions" else "openai"
    if api == "auto" and not await _has_chat(session, url, headers):
        kind = "openai-completions"
    return Served(kind, chosen, _digest(models.get(chosen, {})), server, _template(props))


def _digest(entry: Mapping[str, Any]) -> str | None:
    """llama.cpp and some others tell size, quantisation and parameters of the weights; that much can be pinned."""
    if not isinstance(meta := entry.get("meta"), dict):
        return None
    from hnhub.stages import fingerprint

    return "meta-" + fingerprint(meta)[:16]


def _template(props: Mapping[str, Any]) -> tuple[str, str] | None:
    text = props.get("chat_template")
    return (text, str(props.get("eos_token") or "")) if isinstance(text, str) and text else None


async def _server(
    session: "aiohttp.ClientSession", url: str, headers: Mapping[str, str], entry: Mapping[str, Any]
) -> tuple[str | None, Mapping[str, Any]]:
    owner = str(entry.get("owned_by", ""))
    if owner == "llamacpp":
        props = await _get(session, f"{url}/props", headers)
        props = props if isinstance(props, dict) else {}
        return f"llama.cpp {props.get('build_info', '')}".strip(), props
    for where, name in (("/version", "vLLM"), ("/get_server_info", "SGLang")):
        if owner in ("", name.lower()):
            told = await _get(session, f"{url}{where}", headers)
            if isinstance(told, dict) and isinstance(told.get("version"), str):
                return f"{name} {told['version']}", {}
    return owner or None, {}


async def _has_chat(session: "aiohttp.ClientSession", url: str, headers: Mapping[str, str]) -> bool:
    """An empty request is refused with 404 or 405 only where there is no chat."""
    try:
        status, _, _ = await _fetch(session, "POST", f"{url}/v1/chat/completions", headers, b"{}", _ASKING)
    except Fault:
        return True
    return status not in (404, 405, 501)


async def _get(session: "aiohttp.ClientSession", url: str, headers: Mapping[str, str]) -> Any:
    """The JSON at a URL, or None if there is none. Raises Fault if the server is not there, or wants no part of us."""
    status, _, data = await _fetch(session, "GET", url, headers, None, _ASKING)
    if status in (401, 403):
        raise protocols.fault_of_status(status, data, None)
    if status in (429, 503):
        raise protocols.fault_of_status(status, data, None)
    try:
        return json.loads(data) if status == 200 else None
    except ValueError:
        return None


async def send(session: "aiohttp.ClientSession", endpoint: Endpoint, request: Request, deadline: float) -> Reply:
    """One try. `deadline` in seconds. Raises Fault."""
    import aiohttp

    served = endpoint.served
    body = protocols.body(served.api, request, served.model, endpoint.render, structured=endpoint.structured)
    if endpoint.prepare is not None:
        try:
            body |= await endpoint.prepare(session, request)
        except (aiohttp.ClientError, OSError) as error:
            raise Fault("broken", f"the embedded server did not get ready ({type(error).__name__})") from error
    data = json.dumps(body, ensure_ascii=False).encode()
    url = endpoint.url + protocols.path(served.api)
    status, headers, content = await _fetch(session, "POST", url, endpoint.headers, data, deadline)
    if status != 200:
        raise protocols.fault_of_status(status, content, _retry_after(headers))
    return protocols.read_reply(served.api, headers.get("content-type", ""), headers, content)


async def _fetch(
    session: "aiohttp.ClientSession",
    verb: str,
    url: str,
    headers: Mapping[str, str],
    data: bytes | None,
    deadline: float,
) -> tuple[int, Mapping[str, str], bytes]:
    import aiohttp

    sent = False
    try:
        async with (
            asyncio.timeout(deadline),
            session.request(verb, url, headers=headers, data=data, allow_redirects=False) as response,
        ):
            sent = True
            content = await response.content.read(_LARGEST)
            while chunk := await response.content.read(_LARGEST):
                content += chunk
                if len(content) > _LARGEST:
                    response.close()
                    raise Fault("broken", f"an answer of over {_LARGEST} bytes", charged=True)
            return response.status, response.headers, content
    except aiohttp.ClientConnectorError as error:
        raise Fault("lost", f"no connection ({error.os_error.strerror or type(error).__name__})") from error
    except TimeoutError as error:
        raise Fault("broken", f"no answer within {deadline:g} s", charged=True) from error
    except (aiohttp.ClientError, OSError) as error:
        what = "in mid-answer" if sent else "before an answer"
        raise Fault("broken", f"connection lost {what} ({type(error).__name__})", charged=True) from error


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
