"""An OpenAI chat server (and TGI's /generate) on a loopback socket, whose answers and faults are scripted.

A right answer is a function of the request alone, so runs with and without faults can be compared. `python -m
llm_servers.scripted DELAY` serves from a process of its own and prints its port.
"""

import asyncio
import hashlib
import json
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self

__all__ = ["FAULTS", "Scripted", "answer_to"]

FAULTS = (
    "429",
    "429 with Retry-After",
    "500",
    "503",
    "reset before the answer",
    "reset in mid-answer",
    "truncated body",
    "invalid JSON",
    "an answer that never ends",
    "hung socket",
    "empty answer",
    "wrong content type",
)
TOKENS = (100, 20)
"""Prompt and completion tokens of every answer."""


def answer_to(question: str, seed: int) -> str:
    """What the server answers, as JSON text."""
    return json.dumps({"negative": f"{hashlib.sha256(f'{question}/{seed}'.encode()).hexdigest()[:12]} is no answer"})


class Scripted:
    """The server, in a thread. `fault(key, times)` names the fault for a request's `times`-th try (from 0), or None."""

    def __init__(
        self,
        *,
        fault: Callable[[str, int], str | None] = lambda key, times: None,
        delay: float = 0.0,
        at_once: int | None = None,
        text: Callable[[str, int], str] = answer_to,
        tgi: bool = False,
        completions: bool = False,
        forbids: bool = False,
        port: int = 0,
        models: Sequence[str] = ("scripted",),
    ) -> None:
        self.models = models
        self.fault, self.delay, self.at_once, self.text, self.tgi = fault, delay, at_once, text, tgi
        self.completions = completions
        self.forbids = forbids
        """Like a gateway that answers 403 for every path that it does not know."""
        self.queries: set[str] = set()
        """What stood behind `?` in requests."""
        self.tries: Counter[str] = Counter()
        """Requests that came, by question and seed."""
        self.answered: Counter[str] = Counter()
        """Right answers that were sent."""
        self.bodies: list[dict[str, Any]] = []
        self.most_at_once = self._now = 0
        self.tokens = 0
        self.retry_after = "1"
        """All that a provider would bill, lost answers included."""
        self._ready = threading.Event()
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _run(self) -> None:
        self._loop.run_until_complete(self.serve())
        self._loop.close()

    async def serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, backlog=512)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        verb, path, _ = head.split(" ", 2)
        path, _, query = path.partition("?")
        self.queries.add(query)
        length = next((int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
        data = await reader.readexactly(length)
        if verb == "get":
            return self._about(path, writer)
        body = json.loads(data)
        if self.completions and path != "/v1/completions":
            return _send(writer, 404, {"error": "not found"})
        if not body:
            return _send(writer, 422, {"error": "messages are missing"})
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            return await self._answer(body, writer)
        finally:
            self._now -= 1

    def _about(self, path: str, writer: asyncio.StreamWriter) -> bool:
        if self.tgi and path == "/info":
            told = {
                "model_id": "scripted",
                "model_sha": "abc123",
                "router": "text-generation-router",
                "version": "3.3.6",
            }
            return _send(writer, 200, told)
        if path == "/v1/models" and not self.tgi:
            return _send(writer, 200, {"data": [{"id": name, "owned_by": "tests"} for name in self.models]})
        return _send(writer, 403 if self.forbids else 404, {"error": "not found"})

    async def _answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        self.bodies.append(body)
        del self.bodies[:-1000]
        question = body.get("inputs") or body.get("prompt") or body["messages"][-1]["content"]
        seed = body["parameters"]["seed"] if self.tgi else body["seed"]
        key = f"{question}/{seed}"
        times = self.tries[key]
        self.tries[key] += 1
        if self.at_once is not None and self._now > self.at_once:
            return _send(writer, 429, {"error": "Model is overloaded", "error_type": "overloaded"})
        await asyncio.sleep(self.delay)
        text = self.text(question, seed)
        prompt, completion = TOKENS
        if self.tgi:
            content: dict[str, Any] = {
                "generated_text": text,
                "details": {"finish_reason": "eos_token", "generated_tokens": completion},
            }
        else:
            said = {"text": text} if self.completions else {"message": {"role": "assistant", "content": text}}
            choice = {"index": 0, "finish_reason": "stop", **said}
            content = {"choices": [choice], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}}
        fault = self.fault(key, times)
        if fault is None:
            self.answered[key] += 1
        if fault not in ("400", "429", "429 with Retry-After", "500", "503"):
            self.tokens += prompt + completion
        if fault is not None:
            return await self._misbehave(fault, content, writer)
        return _send(writer, 200, content, {"x-prompt-tokens": str(prompt)} if self.tgi else {})

    async def _misbehave(self, fault: str, content: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        data = json.dumps(content).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        if fault == "429 with Retry-After":
            return _send(writer, 429, {"error": "slow down"}, {"Retry-After": self.retry_after})
        if fault in ("400", "429", "500", "503"):
            return _send(writer, int(fault), {"error": {"message": "scripted"}})
        if fault == "invalid JSON":
            writer.write(head + b"Content-Length: 9\r\n\r\n{'a': no}")
            return True
        if fault == "empty answer":
            if self.tgi:
                content["generated_text"] = ""
            else:
                content["choices"][0]["message"]["content"] = ""
            return _send(writer, 200, content)
        if fault == "wrong content type":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>")
            return True
        if fault == "truncated body":
            writer.write(head + f"Content-Length: {len(data)}\r\n\r\n".encode() + data[: len(data) // 2])
            await writer.drain()
            return False
        if fault == "an answer that never ends":
            writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"1\r\n \r\n")
                await writer.drain()
                await asyncio.sleep(0.02)
        if fault == "half a body":
            writer.write(head + f"Content-Length: {len(data)}\r\n\r\n".encode() + data[: len(data) // 2])
            await writer.drain()
        if fault in ("hung socket", "half a body"):
            await asyncio.sleep(3600)
        if fault == "reset in mid-answer":
            writer.write(head + f"Content-Length: {len(data)}\r\n\r\n".encode() + data[:20])
            await writer.drain()
        # Linger 0 makes close() a reset.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False


def _send(writer: asyncio.StreamWriter, status: int, content: Any, headers: dict[str, str] | None = None) -> bool:
    data = json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
    return True


if __name__ == "__main__":
    server = Scripted(delay=float(sys.argv[1]))
    with server:
        print(server.url, flush=True)
        sys.stdin.read()
        print(json.dumps({"tries": sum(server.tries.values()), "answered": sum(server.answered.values())}), flush=True)
