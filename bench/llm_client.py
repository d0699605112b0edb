"""Requests a second and CPU per request of hnhub's client, with its journal on, against two peers.

    python bench/llm_client.py [--seconds 8] [--rounds 3] [--delay 0.2]

One server, in a process of its own, answers every chat request after a fixed delay. The clients take turns, round after
round, at 64 and at 256 requests in flight; what is printed are medians over the rounds. CPU is of the client's process,
all threads. The first seconds of each turn, in which connections are made and hnhub finds its pace, do not count.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from _common import compared

ANSWER = json.dumps(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "fixed",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": '{"negative": "' + "a passage that answers nothing " * 8 + '"}',
                },
            }
        ],
        "usage": {"prompt_tokens": 350, "completion_tokens": 64, "total_tokens": 414},
    }
).encode()
MODELS = json.dumps({"object": "list", "data": [{"id": "fixed", "object": "model", "owned_by": "bench"}]}).encode()
WARM = 2.5
CLIENTS = ("hnhub", "huggingface_hub", *(["openai"] if find_spec("openai") else []))


class FixedDelay(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, and nothing that costs time."""

    delay = 0.2

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.data) < end + 4 + length:
                return
            body = self.data[end + 4 : end + 4 + length]
            self.data = self.data[end + 4 + length :]
            if head.startswith(b"get /v1/models"):
                self.reply(b"200 OK", MODELS)
            elif head.startswith(b"post /v1/chat/completions") and len(body) > 2:
                asyncio.get_running_loop().call_later(self.delay, self.reply, b"200 OK", ANSWER)
            else:
                self.reply(b"400 Bad Request" if head.startswith(b"post") else b"404 Not Found", b'{"error": "no"}')

    def reply(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\nContent-Length: "
        self.transport.write(head + str(len(body)).encode() + b"\r\n\r\n" + body)


async def serve(delay: float) -> None:
    FixedDelay.delay = delay
    server = await asyncio.get_running_loop().create_server(FixedDelay, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Meter:
    """Counts answers; starts when the warm-up is over, says when the time is up."""

    def __init__(self, seconds: float) -> None:
        self.begin = time.perf_counter() + WARM
        self.end = self.begin + seconds
        self.started = self.cpu = 0.0
        self.count = 0

    def tick(self) -> bool:
        now = time.perf_counter()
        if now >= self.end:
            return False
        if self.started:
            self.count += 1
        elif now >= self.begin:
            self.started, self.cpu = now, cpu()
        return True

    def result(self) -> dict[str, float]:
        wall = time.perf_counter() - self.started
        return {"rate": self.count / wall, "cpu_us": (cpu() - self.cpu) / max(1, self.count) * 1e6}


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ours(url: str, in_flight: int, seconds: float) -> dict[str, float]:
    from hnhub.llm.open import open_model
    from hnhub.llm.prompts import find_prompt
    from hnhub.llm.types import Request

    prompt = find_prompt("negative")

    def requests():  # type: ignore[no-untyped-def]
        number = 0
        while True:
            number += 1
            messages = prompt.messages(query=f"query number {number} about limescale in kettles")
            yield Request(
                str(number), "llm", messages, prompt.schema, prompt.sha256, prompt.max_tokens, 0.6, 0.95, number
            )

    with (
        tempfile.TemporaryDirectory() as folder,
        open_model([url], journal=Path(folder) / "j.sqlite", max_in_flight=in_flight) as model,
    ):
        meter = Meter(seconds)
        for answer in model.ask(requests()):
            assert answer.failure is None, answer.failure
            if not meter.tick():
                return meter.result()
    raise AssertionError


def peer(name: str, url: str, in_flight: int, seconds: float) -> dict[str, float]:
    from hnhub.llm.prompts import find_prompt

    prompt = find_prompt("negative")
    form = {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": json.loads(prompt.schema or "")},
    }
    if name == "openai":
        import openai

        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        create = client.chat.completions.create
    else:
        import huggingface_hub

        create = huggingface_hub.AsyncInferenceClient(base_url=f"{url}/v1", api_key="none").chat.completions.create

    async def run() -> dict[str, float]:
        meter = Meter(seconds)
        number = 0

        async def work() -> None:
            nonlocal number
            going = True
            while going:
                number += 1
                messages = prompt.messages(query=f"query number {number} about limescale in kettles")
                answer = await create(
                    model="fixed",
                    messages=[{"role": message.role, "content": message.content} for message in messages],
                    response_format=form,
                    max_tokens=prompt.max_tokens,
                    temperature=0.6,
                    top_p=0.95,
                    seed=number,
                )
                assert json.loads(answer.choices[0].message.content)["negative"]
                going = meter.tick()

        workers = [asyncio.create_task(work()) for _ in range(in_flight)]
        await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
        result = meter.result()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return result

    return asyncio.run(run())


def turn(name: str, url: str, in_flight: int, seconds: float) -> dict[str, float]:
    command = [
        sys.executable,
        __file__,
        "--client",
        name,
        "--url",
        url,
        "--in-flight",
        str(in_flight),
        "--seconds",
        str(seconds),
    ]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(out))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--client")
    parser.add_argument("--url")
    parser.add_argument("--in-flight", type=int)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.delay))
    elif given.client == "hnhub":
        print(json.dumps(ours(given.url, given.in_flight, given.seconds)))
    elif given.client:
        print(json.dumps(peer(given.client, given.url, given.in_flight, given.seconds)))
    else:
        compare(given.seconds, given.rounds, given.delay)


def compare(seconds: float, rounds: int, delay: float) -> None:
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--delay", str(delay)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    results: dict[tuple[int, str], list[dict[str, float]]] = {}
    try:
        for _ in range(rounds):
            for in_flight in (64, 256):
                for name in CLIENTS:
                    results.setdefault((in_flight, name), []).append(turn(name, url, in_flight, seconds))
    finally:
        server.kill()
        server.wait()
    for in_flight in (64, 256):
        sides = {name: [row["cpu_us"] for row in rows] for (many, name), rows in results.items() if many == in_flight}
        for peer_name in CLIENTS[1:]:
            compared(
                f"Asking a language model, journal on, {in_flight} in flight",
                sides["hnhub"],
                peer=peer_name,
                theirs=sides[peer_name],
                unit="CPU us a request",
                goal=(4, 20) if peer_name == "huggingface_hub" else None,
            )
    versions = ", ".join(f"{name} {version(name)}" for name in ("httptools", *CLIENTS[1:]))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, {versions}"
    )
    print(
        f"{'in flight':>9}  {'client':<16} {'requests/s':>10} {'of ideal':>8} {'CPU us/request':>14} {'requests/s/core':>15}"
    )
    for (in_flight, name), rows in results.items():
        rate, used = (statistics.median(row[key] for row in rows) for key in ("rate", "cpu_us"))
        ideal = in_flight / delay
        print(f"{in_flight:>9}  {name:<16} {rate:>10.0f} {rate / ideal:>8.1%} {used:>14.0f} {1e6 / used:>15.0f}")


if __name__ == "__main__":
    main()
