"""An OpenAI-compatible server on loopback that answers by rule: quick, and the same answer to the same request.

It stands in for a large model where a test needs hundreds of answers; the tests of `llm` face real models.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "rule-1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self.reply(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "tests"}]})
        elif self.path == "/health":
            self.reply(200, {})
        else:
            self.reply(404, {"error": {"message": "not found"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self.reply(404, {"error": {"message": "not found"}})
            return
        if not body.get("messages"):
            self.reply(400, {"error": {"message": "messages: required"}})
            return
        time.sleep(self.server.delay)
        self.server.requests.append(body)
        if self.server.faulty and self.fault(len(self.server.requests) % 7):
            return
        self.reply(
            200,
            {
                "id": "x",
                "object": "chat.completion",
                "model": MODEL,
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": answer(body)}, "finish_reason": "stop"}
                ],
                "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
            },
        )

    def fault(self, which: int) -> bool:
        """Do something else than answer, for some of the requests; True if so."""
        if which == 1:
            self.reply(429, {"error": {"message": "overloaded"}})
        elif which == 3:
            self.reply(500, {"error": {"message": "out of order"}})
        elif which == 5:
            self.close_connection = True  # not a byte of an answer
        else:
            return False
        return True

    def reply(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def answer(body: dict) -> str:
    """A query of words of the passage, a negative around words of the query, a grade or a list of them, as the request's schema asks."""
    text = body["messages"][-1]["content"]
    words = re.findall(r"[A-Za-z]{4,}", text)
    draw = int(hashlib.sha256(json.dumps([text, body.get("seed")]).encode()).hexdigest()[:8], 16)
    picked = [words[(draw + 7 * i) % len(words)] for i in range(6)]
    if '"query"' in json.dumps(body.get("response_format", {})):
        return json.dumps({"query": "what about " + " ".join(picked).lower()})
    if '"relevance"' in json.dumps(body.get("response_format", {})):
        if numbered := re.findall(r"^\[\d+\] ", text, flags=re.MULTILINE):  # a list of passages
            grades = [(draw >> (2 * place)) % 4 for place in range(len(numbered))]
            return json.dumps({"answer": picked[0], "relevance": grades})
        return json.dumps({"relevance": draw % 4})
    return json.dumps(
        {"negative": f"Case {draw}: nothing here on {' or '.join(picked)} says more than that they exist."}
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that was killed is no error of the server."""


@contextmanager
def model_server(delay: float = 0.0, *, faulty: bool = False) -> Iterator[ThreadingHTTPServer]:
    """The server, answering after `delay` seconds; `.url` is its address and `.requests` what it was asked.

    A faulty one refuses, fails or hangs up on three requests of seven.
    """
    server = _Server(("127.0.0.1", 0), _Handler)
    server.delay, server.faulty, server.requests = delay, faulty, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
