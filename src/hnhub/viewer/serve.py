"""The page on a loopback address, where its marks go straight into a file."""

import hmac
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hnhub.marks import parse_marks, read_marks, write_marks
from hnhub.viewer.page import render

__all__ = ["serving"]

_LIMIT = 256 * 1024 * 1024


@contextmanager
def serving(data: Mapping[str, Any], marks: Path, *, port: int = 0) -> Iterator[str]:
    """Serve the page of what `read_view` returned on 127.0.0.1; yields its address, which holds a token.

    The page opens with the marks that the file holds, and each change is written into it. Who does not know the token gets
    nothing, nor does a page of another site that a name leads here. Raises InputError for a file that holds no marks, or those of
    another corpus, which would be written over; OSError for a port that is taken.
    """
    _as_embedded(marks, data["corpus"]["name"])
    token, lock = secrets.token_urlsafe(24), threading.Lock()

    def page() -> str:
        with lock:
            return render({**data, "marks": _as_embedded(marks, data["corpus"]["name"])}, served=True)

    def save(body: str) -> None:
        found = parse_marks(body)
        if found.dataset != data["fingerprint"]:
            raise ValueError("these marks are of another dataset")
        with lock:
            write_marks(marks, found)

    handler = type("Handler", (_Handler,), {"token": token, "page": staticmethod(page), "save": staticmethod(save)})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="hnhub view", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{token}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _as_embedded(marks: Path, corpus: str) -> dict[str, Any] | None:
    return read_marks(marks, corpus).as_dict() if marks.exists() else None


class _Handler(BaseHTTPRequestHandler):
    """GET of the page, POST of its marks, and nothing else."""

    token: str
    page: Callable[[], str]
    save: Callable[[str], None]
    server: ThreadingHTTPServer
    timeout = 60

    def do_GET(self) -> None:
        if self._allowed(""):
            self._answer(200, self.page(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        if not self._allowed("marks"):
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LIMIT:
            self._answer(413, "too long")
            return
        if self.headers.get_content_type() != "application/json":  # what a form of another site can't send
            self._answer(415, "no JSON")
            return
        try:
            self.save(self.rfile.read(int(length)).decode("utf-8"))
        except (ValueError, OSError) as error:
            self._answer(400, f"{error}")
        else:
            self._answer(200, "saved")

    def _allowed(self, name: str) -> bool:
        """True for our address with the token; else the answer is sent."""
        places = {f"{host}:{self.server.server_port}" for host in ("127.0.0.1", "localhost")}
        origin = self.headers.get("Origin")
        ours = self.headers.get("Host") in places and (origin is None or origin.removeprefix("http://") in places)
        if ours and hmac.compare_digest(self.path.encode(), f"/{self.token}/{name}".encode()):
            return True
        self._answer(404, "nothing is here")
        return False

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing: the address holds the token."""
