"""What the Hub keeps: blobs by SHA-256, commits by SHA-1, repositories with refs, tags and pull requests."""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

__all__ = ["GITATTRIBUTES", "Commit", "Entry", "Repo", "Store", "User", "git_sha1"]

GITATTRIBUTES = "".join(
    f"{pattern} filter=lfs diff=lfs merge=lfs -text\n"
    for pattern in ("*.parquet", "*.arrow", "*.bin", "*.gz", "*.zip", "*.zst", "*.png", "*.jpg", "*.jpeg", "*.webp")
)
"""What a new dataset repository holds (shortened from the real one)."""

REGULAR_LIMIT = 10_000_000
"""Bytes over which a file is always LFS."""


def git_sha1(data: bytes) -> str:
    """The id that git gives to a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass(frozen=True)
class User:
    """Who a token stands for."""

    name: str
    role: str = "write"
    orgs: tuple[str, ...] = ()

    def owns(self, namespace: str) -> bool:
        """Whether the namespace is the user's own or an organisation of theirs."""
        return namespace in (self.name, *self.orgs)


@dataclass(frozen=True)
class Entry:
    """A file of a tree."""

    sha256: str
    size: int
    lfs: bool
    oid: str
    """Git's id: of the content, or of the pointer if the file is LFS."""

    def as_json(self, path: str) -> dict[str, object]:
        """As the tree answers it."""
        answer: dict[str, object] = {"type": "file", "path": path, "oid": self.oid, "size": self.size}
        if self.lfs:
            answer["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": 130}
        return answer


@dataclass(frozen=True)
class Commit:
    """A commit: the whole tree, by path."""

    sha: str
    parent: str | None
    tree: Mapping[str, Entry]
    title: str
    message: str
    user: str
    date: str


@dataclass
class Repo:
    """A repository and its refs, each name -> commit sha."""

    kind: str
    name: str
    private: bool = False
    gated: str | bool = False
    granted: set[str] = field(default_factory=set)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, dict[str, str]] = field(default_factory=dict)
    """Number -> {"sha", "title", "author", "status", "base", "merged"}."""
    commits: dict[str, Commit] = field(default_factory=dict)
    objects: set[str] = field(default_factory=set)
    """SHA-256 of the LFS content that was uploaded to this repository; what lies in another one does not count."""

    @property
    def namespace(self) -> str:
        """The owner."""
        return self.name.split("/")[0]

    def find(self, revision: str) -> Commit | None:
        """The commit that a branch, tag, `refs/...` name or sha stands for."""
        short = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        if revision.startswith("refs/pr/"):
            pull = self.pulls.get(int(revision.removeprefix("refs/pr/")))
            return self.commits[pull["sha"]] if pull else None
        sha = self.branches.get(short) or self.tags.get(short) or short
        return self.commits.get(sha)

    def lfs(self, path: str, sample: bytes, size: int) -> bool:
        """Whether a file would be stored as LFS: by .gitattributes, by size, or because it is not text."""
        return path_is_lfs(path) or size > REGULAR_LIMIT or b"\0" in sample

    def log(self, revision: str) -> list[Commit]:
        """Commits from the newest."""
        commits = []
        commit = self.find(revision)
        while commit:
            commits.append(commit)
            commit = self.commits[commit.parent] if commit.parent else None
        return commits


def path_is_lfs(path: str) -> bool:
    """Whether `.gitattributes` makes the path LFS."""
    patterns = [line.split()[0] for line in GITATTRIBUTES.splitlines()]
    return any(fnmatch(path.rsplit("/", 1)[-1], pattern) for pattern in patterns)


class Store:
    """Everything the Hub keeps. `lock` is held while a request is handled."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.blobs: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.users: dict[str, User] = {}
        self.repos: dict[tuple[str, str], Repo] = {}
        self.collections: dict[str, dict[str, Any]] = {}
        self.clock = 0

    def now(self) -> str:
        """A date that only goes forward, one second a call: nothing depends on the machine's clock."""
        self.clock += 1
        return f"2026-01-01T{self.clock // 3600 % 24:02}:{self.clock // 60 % 60:02}:{self.clock % 60:02}.000Z"

    def put(self, data: bytes, *, lfs: bool) -> Entry:
        """Keep content and describe it."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.blobs[sha256] = data
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(data)}\n".encode()
        return Entry(sha256, len(data), lfs, git_sha1(pointer if lfs else data))

    def commit(
        self, repo: Repo, parent: Commit | None, tree: Mapping[str, Entry], title: str, user: str, message: str = ""
    ) -> Commit:
        """Add a commit to the repository without moving a ref."""
        date = self.now()
        parts = [parent.sha if parent else None, {path: entry.oid for path, entry in tree.items()}, title, date, user]
        sha = hashlib.sha1(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        repo.commits[sha] = Commit(sha, parent.sha if parent else None, dict(tree), title, message, user, date)
        return repo.commits[sha]

    def create(self, kind: str, name: str, user: str, *, private: bool = False) -> Repo:
        """A new repository with its first commit."""
        repo = Repo(kind, name, private)
        tree = {".gitattributes": self.put(GITATTRIBUTES.encode(), lfs=False)}
        repo.branches["main"] = self.commit(repo, None, tree, "initial commit", user).sha
        self.repos[kind, name] = repo
        return repo

    def write(
        self, name: str, files: Mapping[str, bytes | None], *, title: str = "by hand", user: str = "rival"
    ) -> str:
        """Commit to a dataset's main by the back door, as another person would (None deletes); the new sha."""
        with self.lock:
            repo = self.repos["dataset", name]
            parent = repo.commits[repo.branches["main"]]
            tree = dict(parent.tree)
            for path, data in files.items():
                if data is None:
                    del tree[path]
                else:
                    tree[path] = self.put(data, lfs=path_is_lfs(path))
            repo.objects.update(entry.sha256 for entry in tree.values() if entry.lfs)
            repo.branches["main"] = self.commit(repo, parent, tree, title, user).sha
            return repo.branches["main"]

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        """A dataset's content at a revision."""
        with self.lock:
            commit = self.repos["dataset", name].find(revision)
            assert commit, revision
            return {path: self.blobs[entry.sha256] for path, entry in commit.tree.items()}
