"""One address, reached over HTTP."""

import asyncio
import base64
import email.utils
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from hnhub.llm.protocols import Fault, fault_of_status
from hnhub.llm.wire_json import decode

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Door", "open_session", "retry_after"]

_LARGEST = 32 * 1024 * 1024
"""Bytes of an answer; more is an answer that never ends."""
_IDLE = 5.0
"""Seconds without a byte after an answer has begun: servers send one in a piece, so the line is dead."""
_CONNECTING = 10.0
"""Seconds that a connection may take."""
_ASKING = 10.0
"""Seconds that a question about the server itself may take."""


async def open_session() -> "aiohttp.ClientSession":
    """The connections, shared by all doors."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECTING),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


@dataclass(frozen=True)
class Door:
    """A base URL and what is needed to get in. Nothing secret is in its repr."""

    session: "aiohttp.ClientSession" = field(repr=False)
    url: str
    """Without `/v1` and without credentials; safe to print."""
    headers: Mapping[str, str] = field(repr=False)
    query: str = field(repr=False, default="")
    """With its `?`; a gateway's version or key."""
    proxy: str | None = field(repr=False, default=None)

    @classmethod
    def to(cls, session: "aiohttp.ClientSession", url: str, credentials: str | None = None) -> "Door":
        """The door to a URL, with the secret that belongs to its host and the proxy that the environment names."""
        url, mark, query = url.partition("?")
        parts = urlsplit(url)
        # Asked here, once: aiohttp's own trust_env reads the environment and .netrc for every request (2 ms).
        proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
        headers = _headers(parts.hostname or "", credentials, secure=parts.scheme == "https")
        return cls(session, url, headers, mark + query, proxy)

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
        self, verb: str, path: str, data: bytes | None, deadline: float = _ASKING
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and content, within `deadline` seconds. Raises Fault (`lost`, `broken`, `useless`)."""
        import aiohttp

        begun = False
        try:
            async with (
                asyncio.timeout(deadline),
                self.session.request(
                    verb,
                    self.url + path + self.query,
                    headers=self.headers,
                    data=data,
                    allow_redirects=False,
                    proxy=self.proxy,
                ) as response,
            ):
                begun = True
                content = await _read(response)
                return response.status, response.headers, content
        except _IdleError as error:
            raise Fault("broken", "connection idle in mid-answer", charged=True) from error
        except aiohttp.ClientConnectorError as error:
            raise Fault("lost", f"no connection ({error.os_error.strerror or type(error).__name__})") from error
        except TimeoutError as error:
            raise Fault("useless", f"no answer within {deadline:g} s", charged=True, late=True) from error
        except (aiohttp.ClientError, OSError) as error:
            where = "in mid-answer" if begun else "before an answer"
            raise Fault("broken", f"connection lost {where}", charged=True) from error


class _IdleError(Exception):
    """No byte came for _IDLE seconds."""


async def _read(response: "aiohttp.ClientResponse") -> bytes:
    content = bytearray()
    while True:
        # Some gateways send headers, and blanks to keep the line open, long before the model has done.
        idle = _IDLE if content.strip() else None
        try:
            async with asyncio.timeout(idle) as waiting:
                chunk = await response.content.readany()
        except TimeoutError as error:
            if waiting.expired():
                raise _IdleError from error
            raise
        if not chunk:
            return bytes(content)
        content += chunk
        if len(content) > _LARGEST:
            response.close()
            raise Fault("useless", f"an answer of over {_LARGEST} bytes", charged=True)


def _headers(host: str, credentials: str | None, *, secure: bool) -> dict[str, str]:
    """The Hub's token goes to Hugging Face's own hosts only, and by https; others (Spaces too) get `HNHUB_API_KEY`, or the address's user and password."""
    headers = {"content-type": "application/json", "accept": "application/json"}
    if credentials is not None:
        headers["authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
    elif secure and host.endswith((".huggingface.cloud", ".huggingface.co")):
        from huggingface_hub import get_token

        if token := get_token():
            headers["authorization"] = f"Bearer {token}"
    elif key := os.environ.get("HNHUB_API_KEY"):
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
