"""What goes over the wire: TGI's own protocol, and OpenAI's chat and completions. Pure functions."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from hnhub.llm.templates import Render
from hnhub.llm.types import Request, Thinking
from hnhub.llm.wire_json import clean, decode, token_count

__all__ = [
    "PROTOCOLS",
    "SWITCHES",
    "THINKING_HINT",
    "Api",
    "Fault",
    "Protocol",
    "Reply",
    "body",
    "fault_of_status",
    "read_reply",
    "without_thoughts",
]

Api = Literal["tgi", "openai", "openai-completions"]

SWITCHES: Mapping[Thinking, Sequence[Mapping[str, Any]]] = {
    "off": (
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"reasoning_effort": "none"},
        {"reasoning_effort": "minimal"},
        {},
    ),
    "on": ({"chat_template_kwargs": {"enable_thinking": True}}, {"reasoning_effort": "medium"}, {}),
}
"""Ways to tell a model whether to think, the next where a server refuses one: vLLM's, SGLang's and llama.cpp's; OpenAI's."""

THINKING_HINT = "--thinking off has it answer at once, --thinking on gives it room"
"""What to do about a model that thinks and does not answer."""

_THOUGHTS = ("reasoning_content", "reasoning")
# vLLM before and since 0.12, SGLang, llama.cpp, DeepSeek.
_FATAL = frozenset({401, 402, 403, 404, 405})
_AGAIN = frozenset({408, 409, 421, 424, 425})


@dataclass(frozen=True)
class Reply:
    """A complete answer of a server."""

    text: str
    finish: str | None
    """Why it ended; `length` means that it was cut."""
    prompt_tokens: int | None
    completion_tokens: int | None


class Fault(Exception):
    """A try that brought no answer; `kind` says what to do about it.

    `refused` (429, 503: fewer at once, later), `lost` (no connection), `broken` (the server or the line failed),
    `useless` (an answer that none can use, or that came too late), `rejected` (this request is bad, the next may not be), `fatal` (no request will do).
    """

    def __init__(
        self, kind: str, reason: str, *, wait: float | None = None, charged: bool = False, late: bool = False
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = clean(reason)
        self.wait = wait
        """Seconds that the server asked to wait."""
        self.charged = charged
        """Tokens may have been made (and billed) for nothing."""
        self.late = late
        """Cut off at the deadline."""


@dataclass(frozen=True)
class Protocol:
    """How one kind of server is spoken to."""

    path: str
    """Where requests go, below the endpoint's base."""
    body: Callable[[Request, str, Any, Render | None], dict[str, Any]]
    """(request, model, the answer's schema or None, what applies the chat template) -> the JSON body."""
    reply: Callable[[Any, Mapping[str, str]], Reply]
    """(content, headers) -> the answer; any usual error means that it is none."""
    chat: bool = False
    """The server applies the chat template, and takes SWITCHES."""


def body(
    api: Api,
    request: Request,
    model: str,
    render: Render | None,
    *,
    structured: bool,
    switch: int = 0,
) -> dict[str, Any]:
    """The JSON body. `render` applies the chat template (for all but chat); `structured`: send the schema.

    `switch`: which of SWITCHES tells the model whether to think. Of `extra_body` a null takes a member away.
    """
    schema = _parsed(request.schema) if structured and request.schema else None
    content = PROTOCOLS[api].body(request, model, schema, render)
    if PROTOCOLS[api].chat and request.thinking != "auto":
        content |= SWITCHES[request.thinking][switch]
    if request.extra_body is not None:
        content |= _parsed(request.extra_body)
        content = {name: value for name, value in content.items() if value is not None}
    return content


def _tgi_body(request: Request, _: str, schema: Any, render: Render | None) -> dict[str, Any]:
    assert render is not None
    return {"inputs": render(request.messages, request.thinking), "parameters": _tgi_parameters(request, schema)}


def _chat_body(request: Request, model: str, schema: Any, _: Render | None) -> dict[str, Any]:
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    return {**_openai_body(request, model, schema), "messages": messages}


def _completions_body(request: Request, model: str, schema: Any, render: Render | None) -> dict[str, Any]:
    assert render is not None
    return {**_openai_body(request, model, schema), "prompt": render(request.messages, request.thinking)}


def _openai_body(request: Request, model: str, schema: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "model": model,
        "max_tokens": request.most_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
    }
    if schema is not None:
        content["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
    return content


@lru_cache(64)
def _parsed(schema: str) -> Any:
    return json.loads(schema)


def _tgi_parameters(request: Request, schema: Any) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "max_new_tokens": request.most_tokens,
        "seed": request.seed,
        "details": True,
        "return_full_text": False,
    }
    if request.temperature > 0:  # TGI takes no 0: greedy is do_sample false
        parameters |= {"do_sample": True, "temperature": request.temperature}
        if request.top_p < 1:
            parameters["top_p"] = request.top_p
    if schema is not None:
        parameters["grammar"] = {"type": "json", "value": schema}
    return parameters


def read_reply(api: Api, content_type: str, headers: Mapping[str, str], data: bytes) -> Reply:
    """The answer in a response with status 200. Raises Fault (`useless`) if it is none."""
    if "json" not in content_type:
        raise Fault("useless", f"an answer of type {content_type or 'unknown'}, not JSON", charged=True)
    try:
        content = decode(data)
    except ValueError as error:
        raise Fault("useless", "an answer that is not valid JSON", charged=True) from error
    try:
        reply = PROTOCOLS[api].reply(content, headers)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # No ": ", since what follows one is taken for the server's own words and is not published.
        reason = f"an answer without its parts ({error!r})"[:200]
        raise Fault("useless", reason, charged=True) from error
    if not reply.text.strip():
        raise Fault("useless", _empty(content), charged=True)
    return reply


def _empty(content: Any) -> str:
    """Why there is nothing, as far as the answer tells."""
    choices = content.get("choices") if isinstance(content, dict) else None
    message = choices[0].get("message") if choices else None
    thoughts = [message.get(name) for name in _THOUGHTS] if isinstance(message, dict) else []
    if any(isinstance(one, str) and one.strip() for one in thoughts):
        return f"an empty answer after thinking ({THINKING_HINT})"
    return "an empty answer"


def without_thoughts(text: str) -> str:
    """An answer without what a model thought before it: what follows the last `</think>`; nothing if it never ended."""
    answer = text.rpartition("</think>")[2]
    return "" if "<think>" in answer else answer


def _tgi_reply(content: Any, headers: Mapping[str, str]) -> Reply:
    if isinstance(content, list):
        content = content[0]
    details = content.get("details") or {}
    completion = details.get("generated_tokens", headers.get("x-generated-tokens"))
    prompt = headers.get("x-prompt-tokens")
    return Reply(
        _text(content["generated_text"]),
        _word(details.get("finish_reason")),
        token_count(prompt),
        token_count(completion),
    )


def _chat_reply(content: Any, _: Mapping[str, str]) -> Reply:
    return _openai_reply(content, content["choices"][0]["message"]["content"])


def _completions_reply(content: Any, _: Mapping[str, str]) -> Reply:
    return _openai_reply(content, content["choices"][0]["text"])


def _openai_reply(content: Any, text: Any) -> Reply:
    usage = content.get("usage") or {}
    counts = (token_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    return Reply(_text(text), _word(content["choices"][0].get("finish_reason")), *counts)


def _word(value: Any) -> str | None:
    return value[:40] if isinstance(value, str) else None


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("the text is not a string")
    return value


def fault_of_status(status: int, data: bytes, wait: float | None) -> Fault:
    """What a response with another status than 200 means."""
    reason = f"HTTP {status}"
    if detail := _detail(data):
        reason += f": {detail}"
    if status in (429, 503):
        return Fault("refused", reason, wait=wait)
    if status in _AGAIN or status >= 500:
        return Fault("broken", reason, wait=wait)
    return Fault("fatal" if status in _FATAL or status < 400 else "rejected", reason)


def _detail(data: bytes) -> str:
    """The message in any of the error shapes: OpenAI's, TGI's, FastAPI's, plain text."""
    text = data[:4000].decode("utf-8", "replace")
    try:
        content = decode(data)
        if isinstance(content, dict):
            error = content.get("error", content.get("message", content.get("detail", content)))
            text = str(error.get("message", error)) if isinstance(error, dict) else str(error)
    except ValueError:
        pass
    return " ".join(text.split())[:200]


PROTOCOLS: Mapping[Api, Protocol] = {
    "tgi": Protocol("/generate", _tgi_body, _tgi_reply),
    "openai": Protocol("/v1/chat/completions", _chat_body, _chat_reply, chat=True),
    "openai-completions": Protocol("/v1/completions", _completions_body, _completions_reply),
}
"""What `--api` may name. Each has its row; where a server does not list its models as OpenAI's, `endpoints.detect` knows how."""
