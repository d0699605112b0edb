"""How content comes in: preupload, LFS (single and multipart), Xet tokens, and commits."""

import hashlib
import math
from pathlib import Path
from typing import Any

from hub_server import xet
from hub_server.http import Answer, Problem, Request, decode, ok
from hub_server.repos import find_repo, open_pull, revision_of
from hub_server.store import Commit, Entry, Repo, Store

__all__ = ["lfs", "upload"]

MOVED = "The branch was updated since you opened this page. Please refresh and try again."


def upload(store: Store, request: Request, kind: str, name: str, rest: tuple[str, ...], cas: Path) -> Answer:
    """preupload, commit, xet-*-token, validate-yaml's neighbours: everything a commit needs."""
    pull = request.flag("create_pr")
    if request.user is None:
        raise Problem(401, "Log in to do this")
    # Who may see a repository may open a pull request.
    repo = find_repo(store, request, kind, name, write=not pull and rest[0] != "xet-read-token")
    if rest[0] == "preupload":
        return _preupload(repo, revision_of(repo, rest[1]), request)
    if rest[0] == "commit":
        return _commit(store, repo, rest[1], request, cas)
    # Readers are not told Xet hashes: the client that writes holds an exclusive lock on its `local://` CAS, so
    # downloads go by redirect.
    exp = 4_102_444_800
    headers = {
        "X-Xet-Cas-Url": f"local://{cas}", "X-Xet-Access-Token": "xet-token", "X-Xet-Token-Expiration": str(exp),
    }  # fmt: skip
    return ok({"casUrl": f"local://{cas}", "accessToken": "xet-token", "exp": exp}, headers)


def _preupload(repo: Repo, commit: Commit, request: Request) -> Answer:
    files = request.json()["files"]
    if len(files) > 256:
        raise Problem(400, "At most 256 files")
    answer = []
    for file in files:
        lfs_mode = repo.lfs(file["path"], decode(file["sample"]), file["size"])
        entry = commit.tree.get(file["path"])
        oid = {} if entry is None else {"oid": entry.sha256 if entry.lfs else entry.oid}
        mode = "lfs" if lfs_mode else "regular"
        answer.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, **oid})
    return ok({"files": answer, "commitOid": commit.sha})


def lfs(store: Store, request: Request, part_size: int) -> Answer:
    """The LFS batch call, and what its links lead to: /lfs/{what}/{kind}/{repository}/..."""
    if request.parts[-2:] == ("objects", "batch"):
        return _batch(store, request, part_size)
    _, what, kind, space, name, oid, *number = request.parts
    repo = store.repos[kind, f"{space}/{name}"]
    if what == "single":
        _keep(store, repo, oid, request.body)
    elif what == "part":
        store.parts.setdefault(oid, {})[int(number[0])] = request.body
        return ok({}, {"ETag": hashlib.sha256(request.body).hexdigest()[:16]})
    elif what == "complete":
        parts = store.parts.pop(oid, {})
        asked = [part["partNumber"] for part in request.json()["parts"]]
        if asked != sorted(parts):
            raise Problem(400, f"Parts {sorted(parts)} arrived, not {asked}")
        _keep(store, repo, oid, b"".join(parts[number] for number in asked))
    elif oid not in repo.objects or len(store.blobs[oid]) != request.json()["size"]:
        raise Problem(404, "The object is not there")
    return ok({})


def _batch(store: Store, request: Request, part_size: int) -> Answer:
    kind = {"datasets": "dataset", "spaces": "space"}.get(request.parts[0], "model")
    name = "/".join(request.parts[1:3] if kind != "model" else request.parts[:2]).removesuffix(".git")
    repo = find_repo(store, request, kind, name)
    if request.user is None or request.user.role != "write":
        raise Problem(403, "You don't have the rights to upload with this token")
    # On another origin, as on the real Hub: no token goes there.
    other = request.base.replace("127.0.0.1", "localhost")
    objects = []
    for asked in request.json()["objects"]:
        oid, size = asked["oid"], asked["size"]
        place = f"{kind}/{name}/{oid}"
        answer: dict[str, Any] = {"oid": oid, "size": size}
        if oid not in repo.objects:
            action: dict[str, Any] = {"href": f"{other}/lfs/single/{place}"}
            if size > part_size:
                numbers = range(1, math.ceil(size / part_size) + 1)
                header = {f"{number:05}": f"{other}/lfs/part/{place}/{number}" for number in numbers}
                action = {
                    "href": f"{request.base}/lfs/complete/{place}",
                    "header": {"chunk_size": str(part_size), **header},
                }
            answer["actions"] = {"upload": action, "verify": {"href": f"{request.base}/lfs/verify/{place}"}}
        objects.append(answer)
    return ok({"transfer": "basic", "objects": objects})


def _keep(store: Store, repo: Repo, oid: str, data: bytes) -> None:
    if hashlib.sha256(data).hexdigest() != oid:
        raise Problem(400, f"The content's SHA-256 is not {oid}")
    store.blobs[oid] = data
    repo.objects.add(oid)


def _commit(store: Store, repo: Repo, revision: str, request: Request, cas: Path) -> Answer:
    lines = request.lines()
    header = lines[0]["value"]
    if revision in repo.tags or revision.startswith("refs/tags/"):
        raise Problem(400, f"{revision} is a tag")  # an assumption
    tip = revision_of(repo, revision)
    parent = tip
    if asked := header.get("parentCommit"):
        found = [sha for sha in repo.commits if sha.startswith(asked)]
        if request.flag("create_pr"):
            parent = revision_of(repo, found[0] if found else asked)
        elif found != [tip.sha]:
            raise Problem(412, MOVED)
    # All checks come first: the ref moves only if everything is right.
    tree = dict(parent.tree)
    for line in lines[1:]:
        _apply(store, repo, tree, line, cas)
    assert request.user is not None
    commit = store.commit(repo, parent, tree, header["summary"], request.user.name, header.get("description", ""))
    url = f"{request.base}/{repo.kind}s/{repo.name}"
    answer = {"success": True, "commitOid": commit.sha, "commitUrl": f"{url}/commit/{commit.sha}"}
    if request.flag("create_pr"):
        number = open_pull(repo, commit, header["summary"], request.user.name)
        return ok({**answer, "pullRequestUrl": f"{url}/discussions/{number}"})
    if revision.startswith("refs/pr/"):
        repo.pulls[int(revision.removeprefix("refs/pr/"))]["sha"] = commit.sha
    else:
        repo.branches[revision.removeprefix("refs/heads/")] = commit.sha
    return ok(answer)


def _apply(store: Store, repo: Repo, tree: dict[str, Entry], line: dict[str, Any], cas: Path) -> None:
    key, value = line["key"], line["value"]
    path = value["path"]
    if path.startswith("/") or ".." in path.split("/") or ".git" in path.split("/"):
        raise Problem(422, f"Bad path: {path}")
    if key == "file":
        tree[path] = store.put(decode(value["content"]), lfs=False)
    elif key == "lfsFile":
        data = store.blobs[value["oid"]] if value["oid"] in repo.objects else None
        if data is None:
            data = xet.rebuild(cas, value["oid"], value.get("size", 0))
        if data is None or ("size" in value and len(data) != value["size"]):
            raise Problem(400, f"{path}: its LFS object was never uploaded")  # an assumption
        tree[path] = store.put(data, lfs=True)
        repo.objects.add(value["oid"])
    elif key in ("deletedFile", "deletedFolder"):
        prefix = path.rstrip("/") + "/"
        gone = [p for p in tree if p == path] if key == "deletedFile" else [p for p in tree if p.startswith(prefix)]
        if not gone:
            raise Problem(404, "A file with this name doesn't exist", "EntryNotFound")
        for old in gone:
            del tree[old]
    else:
        raise Problem(400, f"Unknown operation {key}")
