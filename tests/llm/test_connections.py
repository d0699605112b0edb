"""Answers in every form that HTTP/1.1 allows, connections that are used again, and ways through proxies."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import pytest

from hnhub.llm.connections import Connections, Lost, Origin, Response, Unreachable
from hnhub.llm.transport import Door

Handler = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Server:
    """Gives every request's head to a handler; `heads` are those that came, `connections` how many were opened."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.handler, self.tls = handler, tls
        self.heads: list[bytes] = []
        self.connections = 0
        self.serving: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for task in self.serving:
            task.cancel()
        await asyncio.gather(*self.serving, return_exceptions=True)
        await asyncio.sleep(0.01)  # closed transports tell of their end in a later round

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task
        self.serving.append(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                await self.handler(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()


def sending(answer: bytes, *, close: bool = False) -> Handler:
    async def handle(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for at in range(0, len(answer), 7):  # in pieces
            writer.write(answer[at : at + 7])
            await writer.drain()
            await asyncio.sleep(0)
        if close:
            writer.close()

    return handle


async def asked(answer: bytes, *, close: bool = False, times: int = 1) -> tuple[list[Response], int]:
    async with Server(sending(answer, close=close)) as server:
        connections = Connections()
        origin = Origin.of(f"http://127.0.0.1:{server.port}")
        got = [await connections.request(origin, HEAD, b"", 5) for _ in range(times)]
        await connections.close()
        return got, server.connections


@pytest.mark.parametrize(
    ("answer", "close", "opened"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi", False, 1),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", False, 1),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi", False, 1),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\nConnection: close\r\n\r\nhi", True, 3),
        (b"HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nhi", True, 3),
    ],
)
def test_an_answer_in_every_form_and_the_connection_used_again(answer: bytes, close: bool, opened: int) -> None:
    got, connections = asyncio.run(asked(answer, close=close, times=3))
    assert {(one.status, one.content, one.headers["x-a"]) for one in got} == {(200, b"hi", "b")}
    assert connections == opened


@pytest.mark.parametrize(
    ("answer", "begun"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", True),
        (b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Len", True),
        (b"", False),
        (b"SSH-2.0-OpenSSH_9.6\r\n", False),
    ],
)
def test_what_is_cut_off_or_no_http_is_told(answer: bytes, begun: bool) -> None:
    with pytest.raises(Lost) as caught:
        asyncio.run(asked(answer, close=True))
    assert caught.value.begun is begun


@pytest.mark.parametrize(
    "more", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother", b"HTTP/1.1 200 OK\r\nX-A"]
)
def test_what_follows_an_answer_is_no_answer_to_the_next_request(more: bytes) -> None:
    async def handle(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" + more)

    async def ask() -> None:
        async with Server(handle) as server:
            connections = Connections()
            origin = Origin.of(f"http://127.0.0.1:{server.port}")
            for _ in range(3):
                assert (await connections.request(origin, HEAD, b"", 5)).content == b"hi"
            assert server.connections == 3
            await connections.close()

    asyncio.run(ask())


def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used() -> None:
    async def ask() -> None:
        async with Server(sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", close=True)) as server:
            connections = Connections()
            for _ in range(3):
                origin = Origin.of(f"http://127.0.0.1:{server.port}")
                assert (await connections.request(origin, HEAD, b"", 5)).content == b"hi"
                await asyncio.sleep(0.05)
            assert server.connections == 3
            await connections.close()

    asyncio.run(ask())


async def tunnel(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a proxy does for CONNECT."""
    host, _, port = head.split()[1].decode().rpartition(":")
    there, back = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(4096):
            sink.write(data)
        sink.close()

    try:
        await asyncio.gather(copy(reader, back), copy(there, writer))
    finally:
        back.transport.abort()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_what_is_encrypted_goes_through_a_tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    hi = sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    async def ask() -> None:
        async with Server(hi, tls) as server, Server(tunnel) as proxy:
            monkeypatch.setenv("https_proxy", f"http://me:p%40ss@127.0.0.1:{proxy.port}")
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            connections = Connections()
            door = Door.to(connections, f"https://localhost:{server.port}/base")
            for _ in range(2):
                assert (await door.fetch("POST", "/v1", b"{}"))[2] == b"hi"
            assert server.heads[0].startswith(b"POST /base/v1 HTTP/1.1\r\n")
            (connect,) = proxy.heads
            assert connect.startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % server.port)
            assert b"proxy-authorization: Basic bWU6cEBzcw==\r\n" in connect
            assert b"authorization" not in server.heads[0]
            await connections.close()
            monkeypatch.delenv("SSL_CERT_FILE")
            distrusting = Connections()
            with pytest.raises(Unreachable, match=r"certificate|SSL"):
                await distrusting.request(door.origin, HEAD, b"", 5)

    asyncio.run(ask())


def test_what_is_not_encrypted_is_asked_of_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> None:
        async with Server(sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) as proxy:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.delenv("no_proxy", raising=False)
            connections = Connections()
            door = Door.to(connections, "http://nowhere.invalid:81/a b?key=x")
            assert (await door.fetch("GET", "/v1", None))[2] == b"hi"
            assert proxy.heads[0].startswith(b"GET http://nowhere.invalid:81/a%20b/v1?key=x HTTP/1.1\r\n")
            await connections.close()

    asyncio.run(ask())


def test_a_proxy_that_refuses_or_says_nothing_leaves_no_connection_open() -> None:
    async def silent(_: bytes, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await reader.read()

    async def ask() -> None:
        refusing = sending(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        for handler, error in ((refusing, Unreachable), (silent, TimeoutError)):
            async with Server(handler) as proxy:
                origin = Origin.of("https://nowhere.invalid", f"http://127.0.0.1:{proxy.port}")
                connections = Connections()
                with pytest.raises(error):
                    await connections.request(origin, HEAD, b"", 0.2)
                await asyncio.wait(proxy.serving, timeout=2)
                assert [task.done() for task in proxy.serving] == [True], "the proxy sees the end"
                await connections.close()

    asyncio.run(ask())
