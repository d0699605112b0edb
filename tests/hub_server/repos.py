"""Accounts, repositories, trees, refs and pull requests."""

from typing import Any
from urllib.parse import quote, urlencode

from hub_server.http import Answer, Problem, Request, created, ok
from hub_server.store import Commit, Repo, Store, User

__all__ = ["account", "find_repo", "repository", "revision_of"]

KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
PAGE = 1000
PAGE_EXPANDED = 50


def find_repo(store: Store, request: Request, kind: str, name: str, *, write: bool = False) -> Repo:
    """The repository, if the user may see (or write to) it; what they may not see does not exist for them."""
    repo = store.repos.get((kind, name))
    user = request.user
    owner = user is not None and repo is not None and user.owns(repo.namespace)
    if repo is None or (repo.private and not owner):
        # An anonymous request gets 401 with the same code: without it the client would raise a bare error over http.
        raise Problem(404 if user else 401, "Repository not found", "RepoNotFound")
    if write and not (owner and user is not None and user.role == "write"):
        raise Problem(403 if user else 401, "You don't have the rights to do this with this token", "Forbidden")
    return repo


def revision_of(repo: Repo, revision: str) -> Commit:
    """The commit of a revision."""
    commit = repo.find(revision)
    if commit is None:
        raise Problem(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit


def account(store: Store, request: Request) -> Answer:
    """/api/whoami-v2 and /api/repos/..."""
    user = request.user
    if user is None:
        raise Problem(401, "Invalid username or password.")
    if request.parts[1] == "whoami-v2":
        token = {"accessToken": {"displayName": "test", "role": user.role}}
        orgs = [{"name": org, "type": "org"} for org in user.orgs]
        return ok(
            {"type": "user", "id": user.name, "name": user.name, "fullname": user.name, "orgs": orgs, "auth": token}
        )
    asked = request.json()
    if request.parts[2] == "move":
        return _move(store, user, asked)
    name = f"{asked.get('organization') or user.name}/{asked['name']}"
    kind = asked.get("type") or "model"
    if user.role != "write" or not user.owns(name.split("/", maxsplit=1)[0]):
        raise Problem(
            403, f"You don't have the rights to create a {kind} under the namespace {name.split('/', maxsplit=1)[0]}"
        )
    if request.parts[2] == "delete":
        find_repo(store, request, kind, name, write=True)
        del store.repos[kind, name]
        return ok({})
    url = f"{request.base}/{'' if kind == 'model' else kind + 's/'}{name}"
    if (kind, name) in store.repos:
        raise Problem(409, f"You already created this {kind} repo", url=url)
    store.create(kind, name, user.name, private=_wants_private(asked))
    return ok({"url": url, "name": name})


def _wants_private(asked: dict[str, Any]) -> bool:
    """huggingface_hub 1 says `private`, 2 says `visibility`."""
    return asked.get("visibility") == "private" or asked.get("private") is True


def _move(store: Store, user: User, asked: dict[str, str]) -> Answer:
    kind, old, new = asked["type"], asked["fromRepo"], asked["toRepo"]
    if not (user.owns(old.split("/")[0]) and user.owns(new.split("/")[0])):
        raise Problem(403, "You don't have the rights to move this repository")
    repo = store.repos.pop((kind, old))
    repo.name = new
    store.repos[kind, new] = repo
    return ok({})


def repository(store: Store, request: Request, kind: str, name: str, rest: tuple[str, ...]) -> Answer:
    """/api/{kind}s/{name}/... except uploads."""
    write = request.method != "GET" and rest[:1] not in (("paths-info",), ("discussions",))
    repo = find_repo(store, request, kind, name, write=write)
    match (request.method, *rest):
        case ("GET",):
            return _info(store, repo, "main", request)
        case ("GET", "revision", revision):
            return _info(store, repo, revision, request)
        case ("GET", "tree", revision, *path):
            return _tree(store, repo, revision, "/".join(path), request)
        case ("POST", "paths-info", revision):
            return _paths_info(repo, revision, request)
        case ("GET", "refs"):
            return _refs(repo, request)
        case ("GET", "commits", revision):
            return _paged([_commit(c) for c in _known(repo, revision)], request, PAGE)
        case ("PUT", "settings"):
            return _settings(repo, request.json())
        case ("GET", "auth-check", *more):
            find_repo(store, request, kind, name, write=bool(more))
            return ok({})
        case ("POST" | "DELETE", "branch" | "tag", ref):
            return _ref(repo, request, rest[0], ref)
        case (_, "discussions", *more):
            return _discussions(store, repo, request, more)
    raise Problem(404, f"No such route: {request.method} {request.path}")


def _info(store: Store, repo: Repo, revision: str, request: Request) -> Answer:
    commit = revision_of(repo, revision)
    siblings = []
    for path, entry in sorted(commit.tree.items()):
        sibling: dict[str, Any] = {"rfilename": path}
        if request.flag("blobs"):
            sibling |= {"size": entry.size, "blobId": entry.oid}
            if entry.lfs:
                sibling["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": 130}
        siblings.append(sibling)
    return ok(
        {
            "id": repo.name, "author": repo.namespace, "sha": commit.sha, "lastModified": commit.date,
            "createdAt": repo.log("main")[-1].date, "private": repo.private, "gated": repo.gated, "disabled": False,
            "downloads": 0, "likes": 0, "tags": [], "cardData": None, "siblings": siblings,
        }
    )  # fmt: skip


def _paged(entries: list[Any], request: Request, page: int) -> Answer:
    start = int(dict(request.query).get("cursor", "0"))
    headers = {}
    if start + page < len(entries):
        query = urlencode([(k, v) for k, v in request.query if k != "cursor"] + [("cursor", str(start + page))])
        headers["Link"] = f'<{request.base}{request.path}?{query}>; rel="next"'
    return ok(entries[start : start + page], headers)


def _tree(store: Store, repo: Repo, revision: str, folder: str, request: Request) -> Answer:
    commit = revision_of(repo, revision)
    prefix = f"{folder}/" if folder else ""
    inside = {path: entry for path, entry in sorted(commit.tree.items()) if path.startswith(prefix)}
    if folder and not inside:
        raise Problem(404, f'"{folder}" does not exist on "{revision}"', "EntryNotFound")
    expand = request.flag("expand")
    last = {"lastCommit": {"id": commit.sha, "title": commit.title, "date": commit.date}} if expand else {}
    entries: dict[str, dict[str, object]] = {}
    for path, entry in inside.items():
        steps = path.removeprefix(prefix).split("/")
        for depth in range(1, len(steps) if request.flag("recursive") else min(len(steps), 2)):
            parent = prefix + "/".join(steps[:depth])
            entries.setdefault(parent, {"type": "directory", "path": parent, "oid": "0" * 40, "size": 0, **last})
        if len(steps) == 1 or request.flag("recursive"):
            entries[path] = entry.as_json(path) | last
    return _paged(list(entries.values()), request, PAGE_EXPANDED if expand else PAGE)


def _paths_info(repo: Repo, revision: str, request: Request) -> Answer:
    commit = revision_of(repo, revision)
    answer: list[dict[str, object]] = []
    for path in (value for key, value in request.form() if key == "paths"):
        if path in commit.tree:
            answer.append(commit.tree[path].as_json(path))
        elif any(other.startswith(f"{path.rstrip('/')}/") for other in commit.tree):
            answer.append({"type": "directory", "path": path.rstrip("/"), "oid": "0" * 40, "size": 0})
    return ok(answer)


def _refs(repo: Repo, request: Request) -> Answer:
    def items(prefix: str, refs: dict[Any, str]) -> list[dict[str, str]]:
        return [
            {"name": str(name), "ref": f"{prefix}{name}", "targetCommit": sha} for name, sha in sorted(refs.items())
        ]

    answer = {"branches": items("refs/heads/", repo.branches), "converts": [], "tags": items("refs/tags/", repo.tags)}
    if request.flag("include_prs"):
        answer["pullRequests"] = items("refs/pr/", {number: pull["sha"] for number, pull in repo.pulls.items()})
    return ok(answer)


def _known(repo: Repo, revision: str) -> list[Commit]:
    revision_of(repo, revision)
    return repo.log(revision)


def _commit(commit: Commit) -> dict[str, object]:
    return {
        "id": commit.sha, "title": commit.title, "message": commit.message, "date": commit.date,
        "authors": [{"user": commit.user}],
    }  # fmt: skip


def _settings(repo: Repo, asked: dict[str, Any]) -> Answer:
    if "gated" in asked:
        repo.gated = asked["gated"]
    if asked.keys() & {"visibility", "private"}:
        repo.private = _wants_private(asked)
    return ok({"private": repo.private, "gated": repo.gated})


def _ref(repo: Repo, request: Request, what: str, name: str) -> Answer:
    if what == "branch":
        refs, sha = repo.branches, request.json().get("startingPoint") or "main"
        ref = name
    elif request.method == "POST":
        refs, ref, sha = repo.tags, request.json()["tag"], name
    else:
        refs, ref, sha = repo.tags, name, "main"
    if request.method == "DELETE":
        if ref not in refs:
            raise Problem(404, f"Invalid rev id: {ref}", "RevisionNotFound")
        del refs[ref]
        return ok({})
    if ref in refs:
        raise Problem(409, f"Reference already exists: {ref}")
    refs[ref] = revision_of(repo, sha).sha
    return created()


def _discussions(store: Store, repo: Repo, request: Request, rest: list[str]) -> Answer:
    if request.user is None:
        raise Problem(401, "Log in to do this")
    if request.method == "POST" and not rest:
        asked = request.json()
        if not asked.get("pullRequest"):
            raise Problem(400, "This server knows pull requests only")
        number = open_pull(repo, revision_of(repo, "main"), asked["title"], request.user.name)
        return ok({"num": number, "url": f"{request.base}/datasets/{quote(repo.name)}/discussions/{number}"})
    number = int(rest[0])
    if number not in repo.pulls:
        raise Problem(404, "Discussion not found", "EntryNotFound")
    pull = repo.pulls[number]
    if request.method == "POST" and rest[1:] == ["merge"]:
        repo.branches["main"] = pull["sha"]
        pull |= {"status": "merged", "merged": pull["sha"]}
    elif request.method == "POST" and rest[1:] == ["status"]:
        pull["status"] = request.json()["status"]
    changes = {"base": pull["base"], "mergeCommitId": pull.get("merged")}
    return ok(
        {
            "title": pull["title"], "num": number, "author": {"name": pull["author"]}, "createdAt": store.now(),
            "status": pull["status"], "repo": {"name": repo.name, "type": repo.kind}, "isPullRequest": True,
            "events": [], "filesWithConflicts": [], "changes": changes,
        }
    )  # fmt: skip


def open_pull(repo: Repo, commit: Commit, title: str, author: str) -> int:
    """Open a pull request whose ref stands at a commit; its number."""
    number = len(repo.pulls) + 1
    repo.pulls[number] = {
        "sha": commit.sha,
        "title": title,
        "author": author,
        "status": "open",
        "base": "refs/heads/main",
    }
    return number
