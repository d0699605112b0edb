"""HTTP/1.1 connections that stay open, and nothing else: a request costs half of what it does with aiohttp.

Used in an event loop's thread only. No redirects, cookies or compression: language models' servers need none.
"""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

__all__ = [
    "LARGEST",
    "Connections",
    "Idle",
    "Lost",
    "Origin",
    "Response",
    "TooLarge",
    "Unreachable",
    "proxy_credentials",
]

LARGEST = 32 * 1024 * 1024
"""Bytes of an answer; more is an answer that never ends."""
_IDLE = 5.0
"""Seconds without a byte after an answer has begun: servers send one in a piece, so the line is dead."""
_CONNECTING = 10.0
"""Seconds that a connection may take."""
_KEPT = 15.0
"""Seconds after which an unused connection is not trusted any more."""


class Unreachable(Exception):
    """There is no connection to be had; the text says why."""


class Lost(Exception):
    """The connection ended, or what came over it is no HTTP."""

    def __init__(self, *, begun: bool) -> None:
        super().__init__()
        self.begun = begun
        """A part of the answer had come."""


class Idle(Exception):
    """An answer had begun, and no byte came any more."""


class TooLarge(Exception):
    """An answer of more bytes than any can have; `limit` of them."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit


@dataclass(frozen=True)
class Origin:
    """Where a connection leads to: scheme, host and port, and the proxy on the way."""

    secure: bool
    host: str
    port: int
    proxy: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str, proxy: str | None = None) -> "Origin":
        """The origin of a URL. Raises ValueError for one without a host or with a port that is no number."""
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError(url)
        secure = parts.scheme == "https"
        return cls(secure, parts.hostname, parts.port or (443 if secure else 80), proxy)

    @property
    def address(self) -> str:
        """As in the `host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host.encode("idna").decode()
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


@dataclass(frozen=True)
class Response:
    """A whole answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Connections:
    """The open connections to all origins."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[_Connection]] = {}
        self._loop = asyncio.get_running_loop()

    async def request(
        self, origin: Origin, head: bytes, data: bytes, deadline: float, *, largest: int = LARGEST
    ) -> Response:
        """Send a request; `head` ends with an empty line. Raises Unreachable, Lost, Idle, TooLarge, and TimeoutError after `deadline` seconds."""
        end = self._loop.time() + deadline
        connection = self._open(origin)
        if connection is None:
            async with asyncio.timeout(deadline):
                connection = await self._connect(origin)
        try:
            connection.largest = largest
            response = await connection.ask(head + data, end)
        except BaseException:
            connection.close()
            raise
        if connection.reusable:
            self._idle.setdefault(origin, []).append(connection)
        else:
            connection.close()
        return response

    async def close(self) -> None:
        """Close what is open."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # transports tell of their end in the loop's next round

    def _open(self, origin: Origin) -> "_Connection | None":
        kept = self._idle.get(origin)
        while kept:
            connection = kept.pop()
            if connection.usable:
                return connection
            connection.close()
        return None

    async def _connect(self, origin: Origin) -> "_Connection":
        try:
            async with asyncio.timeout(_CONNECTING):
                if origin.proxy is None:
                    return await self._reach(origin.host, origin.port, self._tls if origin.secure else None)
                return await self._through(origin, origin.proxy)
        except TimeoutError as error:
            raise Unreachable(f"none within {_CONNECTING:g} s") from error
        except (OSError, Lost) as error:
            raise Unreachable(getattr(error, "strerror", None) or type(error).__name__) from error

    async def _reach(self, host: str, port: int, tls: ssl.SSLContext | None) -> "_Connection":
        problem: OSError | None = None
        found = await self._loop.getaddrinfo(host, port, type=1)
        for address in dict.fromkeys(str(entry[4][0]) for entry in found):
            try:
                # One after the other, so that the last one's reason can be told.
                _, protocol = await self._loop.create_connection(
                    _Connection, address, port, ssl=tls, server_hostname=host if tls else None
                )
            except OSError as error:
                problem = error
            else:
                return protocol
        raise problem or OSError("the host has no address")

    async def _through(self, origin: Origin, proxy: str) -> "_Connection":
        """By a proxy: a tunnel to what is encrypted; what is not is asked of the proxy itself."""
        way = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
        tls = self._tls if way.scheme == "https" else None
        connection = await self._reach(way.hostname or "", way.port or (443 if tls else 80), tls)
        if not origin.secure:
            return connection
        try:
            return await self._tunnel(connection, origin, proxy)
        except BaseException:
            connection.close()
            raise

    async def _tunnel(self, connection: "_Connection", origin: Origin, proxy: str) -> "_Connection":
        name = f"{origin.address.rpartition(':')[0] or origin.address}:{origin.port}"
        head = f"CONNECT {name} HTTP/1.1\r\nhost: {name}\r\n{proxy_credentials(proxy)}\r\n"
        connection.tunnel = True
        response = await connection.ask(head.encode(), self._loop.time() + _CONNECTING)
        if response.status != 200:
            raise Unreachable(f"the proxy answers HTTP {response.status}")
        return await connection.encrypt(self._tls, origin.host)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context


def proxy_credentials(proxy: str | None) -> str:
    """The header line for the user and password in a proxy's address; nothing where it has none."""
    parts = urlsplit(proxy or "")
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"proxy-authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"


class _Connection(asyncio.Protocol):
    """One request at a time. The parser calls the methods `on_...`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = HttpResponseParser(self)
        self._transport: Any = None
        self._answer: asyncio.Future[Response] | None = None
        self._headers: dict[str, str] = {}
        self._content = bytearray()
        self._begun = False
        self._open_end = False
        """The answer ends with the connection."""
        self._heard = 0.0
        self._look: asyncio.TimerHandle | None = None
        self.reusable = True
        self.largest = LARGEST
        """Bytes that an answer may have."""
        self.tunnel = False
        """What is asked for next is a way through a proxy, whose answer has no content."""

    async def ask(self, message: bytes, end: float) -> Response:
        """Send a request and wait for its answer until `end`."""
        self._answer = self._loop.create_future()
        if self._transport.is_closing():
            raise Lost(begun=False)
        timer = self._loop.call_at(end, self._fail, TimeoutError())
        self._transport.write(message)
        try:
            return await self._answer
        finally:
            timer.cancel()
            self._answer = None

    async def encrypt(self, tls: ssl.SSLContext, host: str) -> "_Connection":
        """The connection that goes on encrypted where this one stands."""
        inner = _Connection()
        transport = await self._loop.start_tls(self._transport, inner, tls, server_hostname=host)
        assert transport is not None
        inner.connection_made(transport)
        return inner

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return not self._transport.is_closing() and self._loop.time() - self._heard < _KEPT

    def close(self) -> None:
        """At once: what is still to be sent is not."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if self._answer is None or self._answer.done():
            self.close()  # nobody asked
            return
        self._begun = True
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.reusable = False  # also where the answer is whole, and something follows it
            self._fail(Lost(begun=bool(self._headers)))
        if self._begun and self._look is None:
            self._look = self._loop.call_later(_IDLE, self._watch)

    def connection_lost(self, exc: Exception | None) -> None:
        begun = bool(self._headers)
        if exc is None and self._open_end:
            self.on_message_complete()
        self._fail(Lost(begun=begun))

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.done():
            self.reusable = False  # more than was asked for

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        self._open_end = self._headers.keys().isdisjoint(("content-length", "transfer-encoding"))
        if self.tunnel:
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        self._content += body
        if len(self._content) > self.largest:
            self._fail(TooLarge(self.largest))

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        answer, headers, content = self._answer, self._headers, bytes(self._content)
        self._headers, self._content, self._open_end = {}, bytearray(), False
        if status < 200:  # a word in between
            return
        self._begun = False
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self.reusable = self.reusable and self._parser.should_keep_alive()
        if answer is not None and not answer.done():
            answer.set_result(Response(status, headers, content))

    def _watch(self) -> None:
        """Some gateways send headers, and blanks to keep the line open, long before the model has done."""
        rest = self._heard + _IDLE - self._loop.time() if self._content.strip() else _IDLE
        if rest <= 0:
            self._fail(Idle())
        else:
            self._look = self._loop.call_later(rest, self._watch)

    def _fail(self, error: Exception) -> None:
        if self._look is not None:
            self._look.cancel()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
