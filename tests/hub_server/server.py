"""The server: a thread per connection, one request at a time, a route for everything that the clients ask."""

import contextlib
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR
from types import TracebackType
from typing import Any, Self

import yaml

from hub_server.collections import collection
from hub_server.downloads import blob, resolve
from hub_server.faults import Fault, Faults
from hub_server.http import Answer, Logged, Problem, Request, ok
from hub_server.repos import KINDS, account, repository
from hub_server.store import Store, User
from hub_server.uploads import lfs, upload

__all__ = ["HubServer"]

UPLOADS = ("preupload", "commit", "xet-read-token", "xet-write-token")


class HubServer:
    """A Hub on a port of its own; use it in a `with`. `part_size`: LFS files over this come in parts."""

    def __init__(self, *, part_size: int = 5_000_000) -> None:
        self.store = Store()
        self.faults = Faults()
        self.log: list[Logged] = []
        self.part_size = part_size
        self.stopping = threading.Event()
        self._folder = tempfile.TemporaryDirectory(prefix="hub-")
        self.cas = Path(self._folder.name) / "cas"
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._folder.cleanup()

    def add_user(self, token: str, name: str, *, role: str = "write", orgs: tuple[str, ...] = ()) -> User:
        """Let a token stand for a user."""
        self.store.users[token] = User(name, role, orgs)
        return self.store.users[token]

    def fail(self, kind: Any, match: str, **more: Any) -> Fault:
        """Let something go wrong (see `Fault`)."""
        return self.faults.add(Fault(kind, match, **more))

    def requests(self, method: str, part: str) -> list[Logged]:
        """The log's lines of a method whose path holds `part`."""
        return [line for line in self.log if line.method == method and part in line.path]

    def answer(self, request: Request) -> Answer:
        """What the Hub answers, when nothing goes wrong."""
        with self.store.lock:
            try:
                return self._route(request)
            except Problem as problem:
                return problem.answer

    def _route(self, request: Request) -> Answer:
        if "authorization" in request.headers and request.user is None:
            raise Problem(401, "Invalid credentials in Authorization header")
        store, parts = self.store, request.parts
        match parts:
            case ("api", "whoami-v2") | ("api", "repos", _):
                return account(store, request)
            case ("api", "validate-yaml"):
                return _validate_yaml(request)
            case ("api", "collections", *_):
                return collection(store, request)
            case ("api", ("models" | "datasets" | "spaces") as kind, space, name, *rest):
                if rest and rest[0] in UPLOADS:
                    return upload(store, request, KINDS[kind], f"{space}/{name}", tuple(rest), self.cas)
                return repository(store, request, KINDS[kind], f"{space}/{name}", tuple(rest))
            case (*_, "info", "lfs", "objects", "batch") | ("lfs", *_):
                return lfs(store, request, self.part_size)
            case ("cdn", _):
                return blob(store, request)
            case (("datasets" | "spaces") as kind, space, name, "resolve", revision, *path):
                return resolve(store, request, KINDS[kind], f"{space}/{name}", revision, "/".join(path))
            case (space, name, "resolve", revision, *path):
                return resolve(store, request, "model", f"{space}/{name}", revision, "/".join(path))
        raise Problem(404, f"No such route: {request.method} {request.path}")


def _validate_yaml(request: Request) -> Answer:
    content = request.json()["content"]
    if not content.startswith("---\n"):
        return ok({"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]})
    try:
        value = yaml.safe_load(content.split("\n---\n")[0].removeprefix("---\n"))
    except yaml.YAMLError as error:
        return ok({"errors": [{"message": str(error)}], "warnings": []}, status=400)
    errors = [] if isinstance(value, dict) else [{"message": "metadata must be a mapping"}]
    return ok({"errors": errors, "warnings": []}, status=400 if errors else 200)


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _handle(self) -> None:
            body = self._body()
            fault = hub.faults.take(f"{self.command} {self.path}")
            received = len(body)
            if fault and fault.kind == "truncate":
                body = body[: received // 2]
            headers = {name.lower(): value for name, value in self.headers.items()}
            user = hub.store.users.get(headers.get("authorization", "").removeprefix("Bearer ").strip())
            request = Request.parse(self.command, self.path, headers, body, user)
            answer = self._answer(request, fault)
            hub.log.append(
                Logged(
                    self.command,
                    request.path,
                    request.query,
                    answer.status if answer else 0,
                    headers.get("host", ""),
                    user.name if user else None,
                    received,
                    fault.kind if fault else None,
                )
            )
            if answer is None:
                self._hang_up()
            else:
                self._send(answer, cut=fault is not None and fault.kind == "truncate" and not received)

        def _answer(self, request: Request, fault: Fault | None) -> Answer | None:
            """None hangs up."""
            kind = fault.kind if fault else None
            if fault is None or kind == "truncate":
                return hub.answer(request)
            if kind == "race" and fault.before:
                fault.before()
                return hub.answer(request)
            if kind in ("status-after", "drop-after"):
                hub.answer(request)
            if kind in ("status", "status-after"):
                if fault.body is not None:
                    return Answer(fault.status, fault.body.encode(), dict(fault.headers))
                return Problem(fault.status, "Something went wrong", headers=dict(fault.headers)).answer
            if kind == "hang":
                hub.stopping.wait(fault.seconds)
            return None

        def _hang_up(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(SHUT_RDWR)

        def _send(self, answer: Answer, *, cut: bool) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            body = answer.body[: len(answer.body) // 2] if cut else answer.body
            try:
                self.wfile.write(body)
                self.wfile.flush()
            except OSError:
                self.close_connection = True
            if cut:
                self._hang_up()

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    return Handler
