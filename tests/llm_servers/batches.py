"""OpenAI's batch API on a loopback socket, in its documented shapes: files up, batches, files down.

https://platform.openai.com/docs/api-reference/batch and .../files, as of November 2026. What a batch answers is a function of
the request alone.
"""

import itertools
import json
import threading
from collections.abc import Callable
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from llm_servers.scripted import TOKENS, answer_to

__all__ = ["BatchServer"]


class BatchServer:
    """The server, in a thread. Batches are over after `looks` looks at them; `result(body, times)` may give another line's end.

    `result` gets a request's body and how often it was in a batch before; it returns None for a right answer, else a status with
    an error's message, or `expired` for a line that the batch did not come to.
    """

    def __init__(
        self, *, looks: int = 2, result: Callable[[dict[str, Any], int], Any] = lambda body, times: None
    ) -> None:
        self.looks, self.result = looks, result
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.seen: dict[str, int] = {}
        """Looks at a batch."""
        self.asked: dict[str, int] = {}
        """How often a request (custom_id) was in a batch."""
        self.chats = 0
        """Plain requests: there should be none."""
        self.lose: str | None = None
        """A path whose next answer is lost on its way, though what was asked is done."""
        self.refuse: str | None = None
        """A path of which the next POST does nothing and ends in a 500."""
        self.garble: str | None = None
        """A path whose answers are no JSON."""
        self.fail: str | None = None
        """Why the next batch fails."""
        self.page_size = 100
        """Batches on a page of their list, at most."""
        self._numbers = itertools.count(1)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def upload(self, kind: str, data: bytes) -> dict[str, Any]:
        form = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + data)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.get_payload()}
        assert parts["purpose"].get_payload() == "batch"
        content = parts["file"].get_payload(decode=True)
        name = f"file-{next(self._numbers)}"
        self.files[name] = content
        return {"id": name, "object": "file", "bytes": len(content), "purpose": "batch", "status": "processed"}

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert set(asked) == {"input_file_id", "endpoint", "completion_window", "metadata"}
        assert (asked["endpoint"], asked["completion_window"]) == ("/v1/chat/completions", "24h")
        name = f"batch_{next(self._numbers)}"
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        assert all(set(line) == {"custom_id", "method", "url", "body"} for line in lines)
        assert len({line["custom_id"] for line in lines}) == len(lines)
        status = "failed" if self.fail else "validating"
        errors = (
            {"object": "list", "data": [{"code": "invalid", "message": self.fail, "line": 1}]} if self.fail else None
        )
        self.fail = None
        counts = {"total": len(lines), "completed": 0, "failed": 0}
        found = {"id": name, "object": "batch", "status": status, "errors": errors, "request_counts": counts}
        self.batches[name] = found | asked | {"output_file_id": None, "error_file_id": None}
        self.seen[name] = 0
        return self.batches[name]

    def page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """Batches, the newest first, those after the one that the query names."""
        listed = list(self.batches.values())[::-1]
        if after := query.get("after"):
            listed = listed[1 + [one["id"] for one in listed].index(after[0]) :]
        most = min(self.page_size, int(query.get("limit", ["20"])[0]))
        return {"object": "list", "data": listed[:most], "has_more": len(listed) > most}

    def look(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        self.seen[name] += 1
        if batch["status"] in ("validating", "in_progress"):
            batch["status"] = "in_progress"
            if self.seen[name] >= self.looks:
                self.finish(batch)
        return batch

    def finish(self, batch: dict[str, Any]) -> None:
        good, bad = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            row = json.loads(line)
            times = self.asked.get(row["custom_id"], 0)
            self.asked[row["custom_id"]] = times + 1
            head = {"id": f"batch_req_{next(self._numbers)}", "custom_id": row["custom_id"]}
            odd = self.result(row["body"], times)
            if odd is None:
                body = _completion(row["body"])
                good.append({**head, "response": {"status_code": 200, "request_id": "r", "body": body}, "error": None})
            elif odd == "expired":
                error = {"code": "batch_expired", "message": "This request could not be executed before the window."}
                bad.append({**head, "response": None, "error": error})
            else:
                status, message = odd
                body = {"error": {"message": message, "type": "invalid_request_error"}}
                bad.append(
                    {**head, "response": {"status_code": status, "request_id": "r", "body": body}, "error": None}
                )
        expired = any(row["response"] is None for row in bad)
        batch["status"] = "expired" if expired else "completed"
        for name, rows in (("output_file_id", good[::-1]), ("error_file_id", bad)):  # in an order of its own
            if rows:
                batch[name] = f"file-{next(self._numbers)}"
                self.files[batch[name]] = "".join(json.dumps(row) + "\n" for row in rows).encode()


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    text = answer_to(body["messages"][-1]["content"], body["seed"])
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = dict(zip(("prompt_tokens", "completion_tokens"), TOKENS, strict=True))
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [choice],
        "usage": usage,
    }


def _handler(server: BatchServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            parts = path.strip("/").split("/")
            if path == "/v1/models":
                self.send(200, {"object": "list", "data": [{"id": "gpt-tiny", "owned_by": "openai"}]})
            elif path == "/v1/batches":
                self.send(200, server.page(parse_qs(self.path.partition("?")[2])))
            elif parts[:2] == ["v1", "batches"] and parts[2] in server.batches:
                self.send(200, server.look(parts[2]))
            elif parts[:2] == ["v1", "files"] and parts[-1] == "content":
                self.send(200, server.files[parts[2]], "application/octet-stream")
            else:
                self.send(404, {"error": {"message": "not found"}})

        def do_POST(self) -> None:
            path = self.path.partition("?")[0]
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if path == server.refuse:
                server.refuse = None
                self.send(500, {"error": {"message": "internal error"}})
            elif path == "/v1/files":
                self.send(200, server.upload(self.headers["Content-Type"], data))
            elif path == "/v1/batches":
                self.send(200, server.create(json.loads(data)))
            elif path == "/v1/chat/completions" and not json.loads(data).get("messages"):
                self.send(400, {"error": {"message": "messages: required"}})
            else:
                server.chats += 1
                self.send(429, {"error": {"message": "this one takes batches"}})

        def send(self, status: int, value: Any, kind: str = "application/json") -> None:
            if server.lose and self.path.startswith(server.lose):
                server.lose = None
                self.close_connection = True
                return
            if self.path == server.garble:
                value = b"<html>"
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
