"""Text Generation Inference's documented HTTP, in front of a real llama.cpp server.

TGI can't be had from packages. What is here follows its OpenAPI document and router source (3.3.6): `/generate`, `/info`,
`/health`, `/tokenize`, its error JSON, its validation, and the immediate 429 over `max_concurrent_requests`.
"""

import asyncio
import threading
from typing import Any, Self

import aiohttp
from aiohttp import web

__all__ = ["TgiAdapter"]

MAX_TOTAL_TOKENS = 2048


class TgiAdapter:
    """Serves in a thread while the `with` block lasts."""

    def __init__(self, upstream: str, *, model: str, max_concurrent_requests: int = 128) -> None:
        self.upstream = upstream
        self.model = model
        self.most = max_concurrent_requests
        self.url = ""
        self.generated = 0
        self._now = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        application = web.Application()
        application.add_routes(
            [
                web.get("/info", self._info),
                web.get("/health", self._health),
                web.post("/generate", self._generate),
                web.post("/tokenize", self._tokenize),
            ]
        )
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession(self.upstream) as self._session:
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _info(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "model_id": self.model,
                "model_sha": "12fd25f77366fa6b3b4b768ec3050bf629380bac",
                "model_pipeline_tag": "text-generation",
                "max_concurrent_requests": self.most,
                "max_best_of": 2,
                "max_stop_sequences": 4,
                "max_input_tokens": MAX_TOTAL_TOKENS - 1,
                "max_total_tokens": MAX_TOTAL_TOKENS,
                "validation_workers": 2,
                "max_client_batch_size": 4,
                "router": "text-generation-router",
                "version": "3.3.6-dev0",
                "sha": None,
                "docker_label": None,
            }
        )

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _tokens(self, text: str) -> list[Any]:
        async with self._session.post("/tokenize", json={"content": text, "add_special": True}) as response:
            return list((await response.json())["tokens"])

    async def _tokenize(self, request: web.Request) -> web.Response:
        tokens = await self._tokens((await request.json())["inputs"])
        return web.json_response([{"id": token, "text": "", "start": 0, "stop": 0} for token in tokens])

    async def _generate(self, request: web.Request) -> web.Response:
        if self._now >= self.most:
            return _error(429, "overloaded", "Model is overloaded")
        self._now += 1
        try:
            return await self._generate_one(await request.json())
        finally:
            self._now -= 1

    async def _generate_one(self, body: dict[str, Any]) -> web.Response:
        given = body.get("parameters") or {}
        if problem := _invalid(given):
            return _error(422, "validation", f"Input validation error: {problem}")
        prompt_tokens = len(await self._tokens(body["inputs"]))
        new = given.get("max_new_tokens") or MAX_TOTAL_TOKENS - prompt_tokens
        if prompt_tokens + new > MAX_TOTAL_TOKENS:
            text = f"`inputs` tokens + `max_new_tokens` must be <= {MAX_TOTAL_TOKENS}. Given: {prompt_tokens} `inputs` tokens and {new} `max_new_tokens`"
            return _error(422, "validation", f"Input validation error: {text}")
        sampling = given.get("do_sample") or any(
            given.get(name) is not None for name in ("temperature", "top_k", "top_p", "typical_p")
        )
        ask: dict[str, Any] = {
            "prompt": body["inputs"],
            "n_predict": new,
            "seed": given.get("seed", 0),
            "temperature": given.get("temperature", 1.0) if sampling else 0,
            "top_p": given.get("top_p", 1.0),
            "cache_prompt": False,
        }
        if grammar := given.get("grammar"):
            ask["json_schema"] = grammar["value"]
        async with self._session.post("/completion", json=ask) as response:
            if response.status != 200:
                return _error(424, "generation", f"Request failed during generation: {await response.text()}")
            told = await response.json()
        self.generated += 1
        finish = "length" if told["stop_type"] == "limit" else "eos_token"
        content: dict[str, Any] = {"generated_text": told["content"]}
        if given.get("details"):
            content["details"] = {
                "finish_reason": finish,
                "generated_tokens": told["tokens_predicted"],
                "seed": given.get("seed"),
                "prefill": [],
                "tokens": [],
            }
        headers = {"x-prompt-tokens": str(prompt_tokens), "x-generated-tokens": str(told["tokens_predicted"])}
        return web.json_response(content, headers=headers)


def _invalid(given: dict[str, Any]) -> str | None:
    if given.get("max_new_tokens") is not None and given["max_new_tokens"] <= 0:
        return "`max_new_tokens` must be strictly positive"
    if given.get("temperature") is not None and given["temperature"] <= 0:
        return "`temperature` must be strictly positive"
    if given.get("top_p") is not None and not 0 < given["top_p"] <= 1:
        return "`top_p` must be > 0.0 and <= 1.0"
    grammar = given.get("grammar")
    if grammar and grammar["type"] == "json" and "properties" not in grammar["value"]:
        return "Grammar must have a 'properties' field"
    return None


def _error(status: int, kind: str, text: str) -> web.Response:
    return web.json_response({"error": text, "error_type": kind}, status=status)
