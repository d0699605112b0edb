"""resolve: HEAD and GET, ranges, and LFS files by redirect to the other origin."""

import re

from hub_server.http import Answer, Problem, Request
from hub_server.repos import find_repo, revision_of
from hub_server.store import Repo, Store

__all__ = ["blob", "resolve"]


def resolve(store: Store, request: Request, kind: str, name: str, revision: str, path: str) -> Answer:
    """A file at a revision."""
    repo = find_repo(store, request, kind, name)
    _pass_gate(repo, request)
    commit = revision_of(repo, revision)
    head = {"X-Repo-Commit": commit.sha}
    entry = commit.tree.get(path)
    if entry is None:
        raise Problem(404, "Entry not found", "EntryNotFound", head)
    if entry.lfs:
        # The same origin would be followed by the client's HEAD, which then misses X-Repo-Commit.
        other = request.base.replace("127.0.0.1", "localhost")
        head |= {"X-Linked-Etag": f'"{entry.sha256}"', "X-Linked-Size": str(entry.size), "ETag": f'"{entry.sha256}"'}
        return Answer(302, b"", {**head, "Location": f"{other}/cdn/{entry.sha256}"})
    return _content(store.blobs[entry.sha256], request, {**head, "ETag": f'"{entry.oid}"'})


def blob(store: Store, request: Request) -> Answer:
    """The other origin: content by its hash, for anyone who knows it."""
    sha256 = request.parts[1]
    if sha256 not in store.blobs:
        raise Problem(404, "No such object")
    return _content(store.blobs[sha256], request, {"ETag": f'"{sha256}"'})


def _pass_gate(repo: Repo, request: Request) -> None:
    user = request.user
    if not repo.gated or (user is not None and (user.owns(repo.namespace) or user.name in repo.granted)):
        return
    raise Problem(403 if user else 401, f"Access to dataset {repo.name} is restricted.", "GatedRepo")


def _content(data: bytes, request: Request, headers: dict[str, str]) -> Answer:
    headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **headers}
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if not asked:
        return Answer(200, data, headers, len(data))
    first, last = asked.groups()
    start = int(first) if first else max(len(data) - int(last), 0)
    end = min(int(last), len(data) - 1) if first and last else len(data) - 1
    if start >= len(data) or start > end:
        raise Problem(416, "Range not satisfiable", headers={"Content-Range": f"bytes */{len(data)}"})
    part = data[start : end + 1]
    return Answer(206, part, {**headers, "Content-Range": f"bytes {start}-{end}/{len(data)}"}, len(part))
