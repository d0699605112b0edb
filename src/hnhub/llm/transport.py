"""One address, reached over HTTP."""

import base64
import email.utils
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from hnhub.errors import UsageError
from hnhub.llm.connections import LARGEST, Connections, Idle, Lost, Origin, TooLarge, Unreachable, proxy_credentials
from hnhub.llm.protocols import Fault, fault_of_status
from hnhub.llm.wire_json import decode

__all__ = ["Door", "retry_after"]

_SAFE = "/%:@!$&'()*+,;=~?[]"
"""Characters that a path or a query may have as they are; those that are quoted already stay so."""

_ASKING = 10.0
"""Seconds that a question about the server itself may take."""


@dataclass(frozen=True)
class Door:
    """A base URL and what is needed to get in. Nothing secret is in its repr."""

    connections: Connections = field(repr=False)
    url: str
    """Without `/v1` and without credentials; safe to print."""
    headers: Mapping[str, str] = field(repr=False)
    origin: Origin = field(repr=False)
    base: str = field(repr=False, default="")
    """The path that every request's begins with; to an unencrypted proxy the whole address."""
    query: str = field(repr=False, default="")
    """With its `?`; a gateway's version or key."""

    @classmethod
    def to(cls, connections: Connections, url: str, credentials: str | None = None) -> "Door":
        """The door to a URL, with the secret that belongs to its host and the proxy that the environment names."""
        url, mark, query = url.partition("?")
        parts = urlsplit(url)
        proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
        origin = Origin.of(url, proxy)
        headers = _headers(parts.hostname or "", credentials, secure=origin.secure)
        base = quote(parts.path, safe=_SAFE)
        if proxy and not origin.secure:
            base = f"http://{origin.address}{base}"
        return cls(connections, url, headers, origin, base, mark + quote(query, safe=_SAFE))

    @cached_property
    def _lines(self) -> str:
        """The head of every request below its first line."""
        sent = {"host": self.origin.address, "user-agent": "hnhub", **self.headers}
        if any("\n" in value or "\r" in value for value in sent.values()):
            raise UsageError(f"{self.url}: its key has a line break", do="set HNHUB_API_KEY to the key alone")
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        return lines if self.origin.secure else lines + proxy_credentials(self.origin.proxy)

    async def get_optional(self, path: str) -> Any:
        """The JSON there, or None also where the server wants no part of us: a gateway may forbid what it does not know."""
        try:
            return await self.get(path)
        except Fault as fault:
            if fault.kind != "fatal":
                raise
            return None

    async def get(self, path: str) -> Any:
        """The JSON there, or None if there is none. Raises Fault if the server is not there or wants no part of us."""
        status, headers, data = await self.fetch("GET", path, None, _ASKING)
        if status in (401, 403, 429, 503):
            raise fault_of_status(status, data, retry_after(headers))
        try:
            return decode(data) if status == 200 else None
        except ValueError:
            return None

    async def post(self, path: str, body: Mapping[str, Any], deadline: float) -> tuple[Mapping[str, str], bytes]:
        """Headers and data of an answer with status 200. Raises Fault for any other."""
        data = json.dumps(body, ensure_ascii=False).encode()
        status, headers, content = await self.fetch("POST", path, data, deadline)
        if status != 200:
            raise fault_of_status(status, content, retry_after(headers))
        return headers, content

    async def fetch(
        self,
        verb: str,
        path: str,
        data: bytes | None,
        deadline: float = _ASKING,
        *,
        kind: str | None = None,
        largest: int = LARGEST,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and content, within `deadline` seconds. Raises Fault (`lost`, `broken`, `useless`).

        `kind` is the data's content type, if that is not JSON; an answer of more than `largest` bytes is a Fault.
        """
        length = "" if data is None else f"content-length: {len(data)}\r\n"
        lines = self._lines if kind is None else self._lines.replace("application/json", kind, 1)
        query = self.query.replace("?", "&", 1) if "?" in path else self.query
        head = f"{verb} {self.base}{path}{query} HTTP/1.1\r\n{lines}{length}\r\n"
        try:
            answer = await self.connections.request(self.origin, head.encode(), data or b"", deadline, largest=largest)
        except Unreachable as error:
            raise Fault("lost", f"no connection ({error})") from error
        except Idle as error:
            raise Fault("broken", "connection idle in mid-answer", charged=True) from error
        except Lost as error:
            where = "in mid-answer" if error.begun else "before an answer"
            raise Fault("broken", f"connection lost {where}", charged=True) from error
        except TooLarge as error:
            raise Fault("useless", f"an answer of over {error.limit} bytes", charged=True) from error
        except TimeoutError as error:
            raise Fault("useless", f"no answer within {deadline:g} s", charged=True, late=True) from error
        return answer.status, answer.headers, answer.content


def _headers(host: str, credentials: str | None, *, secure: bool) -> dict[str, str]:
    """The Hub's token goes to Hugging Face's own hosts only, and by https; others (Spaces too) get `HNHUB_API_KEY`, or the address's user and password."""
    headers = {"content-type": "application/json", "accept": "application/json"}
    if credentials is not None:
        headers["authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
    elif secure and host.endswith((".huggingface.cloud", ".huggingface.co")):
        from huggingface_hub import get_token

        if token := get_token():
            headers["authorization"] = f"Bearer {token}"
    elif key := os.environ.get("HNHUB_API_KEY", "").strip():
        headers["authorization"] = f"Bearer {key}"
    return headers


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, from either form of the header (RFC 9110, 10.2.3)."""
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
