"""What a push would do: the folder and the repository's tree, side by side.

A file is ours if the manifest that stands on the Hub lists it. Only such files are ever deleted, and a file that
somebody else changed, deleted or put where one of ours goes (a rival) stops a push.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hnhub import stages
from hnhub.errors import InputError
from hnhub.publish.hub import fetch
from hnhub.publish.settle import settle

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = [
    "MANIFEST",
    "Folder",
    "LocalFile",
    "PushPlan",
    "PushStep",
    "Remote",
    "RemoteFile",
    "dataset_folder",
    "make_push_plan",
    "read_folder",
    "read_remote",
]

MANIFEST = "manifest.json"

_FRESH = frozenset({".gitattributes", "README.md"})
"""What a repository may hold that nobody has published into."""


@dataclass(frozen=True)
class LocalFile:
    """A file to publish. The Hub names content by SHA-256 if it is LFS, else by git's SHA-1."""

    sha256: str
    git_sha1: str
    size: int


@dataclass(frozen=True)
class Folder:
    """A dataset folder whose files are those of its manifest."""

    path: Path
    files: Mapping[str, LocalFile]
    manifest: stages.StageRecord


@dataclass(frozen=True)
class RemoteFile:
    """A file on the Hub; `sha256` only if it is LFS."""

    size: int
    git_sha1: str
    sha256: str | None = None

    def same(self, local: LocalFile) -> bool:
        """Whether it has the content of a local file."""
        return self.sha256 == local.sha256 if self.sha256 else self.git_sha1 == local.git_sha1


@dataclass(frozen=True)
class Remote:
    """A repository at a commit."""

    commit: str | None
    """None: there is no such repository yet."""
    files: Mapping[str, RemoteFile] = field(default_factory=dict)
    listed: frozenset[str] | None = None
    """The files that are ours: those of the Hub's manifest and the manifest itself; None without one."""
    changed: frozenset[str] = frozenset()
    """Those of them whose content is no longer what the manifest says, or that are gone."""


@dataclass(frozen=True)
class PushStep:
    """What is to be done with a path. `rival` says why it is not ours to touch."""

    action: Literal["add", "change", "delete", "keep"]
    path: str
    size: int
    rival: str | None = None


@dataclass(frozen=True)
class PushPlan:
    """Every path, in order. `commit` is the tip that it was made for."""

    commit: str | None
    steps: tuple[PushStep, ...]

    @property
    def changes(self) -> tuple[PushStep, ...]:
        """The steps that need a commit."""
        return tuple(step for step in self.steps if step.action != "keep")

    @property
    def rivals(self) -> tuple[PushStep, ...]:
        """The steps that would overwrite somebody else's work."""
        return tuple(step for step in self.steps if step.rival)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        count = {action: sum(s.action == action for s in self.steps) for action in ("add", "change", "delete", "keep")}
        steps = [{"action": s.action, "path": s.path, "size": s.size, "rival": s.rival} for s in self.steps]
        return {"commit": self.commit, "files": count, "bytes": sum(s.size for s in self.changes), "steps": steps}


def dataset_folder(path: Path) -> Path:
    """The dataset folder that a path means: itself, or the `dataset` in a run. Raises InputError if there is none.

    Changes of its card that a killed process has left whole take their places first.
    """
    for folder in (path, path / "dataset"):
        if (folder / MANIFEST).is_file():
            settle(folder)
            return folder
    raise InputError(f"{path}: no dataset is here ({MANIFEST} is missing)", do="build it first with `hnhub build`")


def read_folder(path: Path) -> Folder:
    """Read a dataset folder and check its files against its manifest.

    Raises InputError if a file is missing or is not what the manifest says. What the manifest does not list is not
    published.
    """
    path = dataset_folder(path)
    manifest = stages.read_record(path / MANIFEST)
    files = {name: _describe(path / name) for name in sorted([*manifest.files, MANIFEST])}
    for name, entry in manifest.files.items():
        if name.endswith(".py"):
            raise InputError(f"{path / name}: code is never published", do="build the dataset again")
        if files[name].sha256 != entry["sha256"]:
            raise InputError(f"{path / name}: is not what {MANIFEST} says", do="build the dataset again")
    return Folder(path, files, manifest)


def read_remote(api: "HfApi", repo: str, revision: str = "main") -> Remote:
    """The repository's tree at the commit where the revision stands now. The client's errors pass through."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
    from huggingface_hub.hf_api import RepoFile

    try:
        commit = api.repo_info(repo, repo_type="dataset", revision=revision).sha
    except RepositoryNotFoundError as error:
        if isinstance(error, GatedRepoError):
            raise
        return Remote(None)
    assert commit
    tree = api.list_repo_tree(repo, recursive=True, revision=commit, repo_type="dataset")
    files = {
        item.path: RemoteFile(item.size, item.blob_id, item.lfs.sha256 if item.lfs else None)
        for item in tree
        if isinstance(item, RepoFile)
    }
    manifest = _published(fetch(api, repo, commit, MANIFEST)) if MANIFEST in files else None
    if manifest is None:
        return Remote(commit, files)
    changed = set()
    for path, entry in manifest.items():
        theirs = files.get(path)
        if theirs is None or theirs.size != entry["size"]:
            changed.add(path)
            continue
        # git's SHA-1 can't be told from a SHA-256: a small text file is fetched.
        sha256 = theirs.sha256 or hashlib.sha256(fetch(api, repo, commit, path)).hexdigest()
        if sha256 != entry["sha256"]:
            changed.add(path)
    return Remote(commit, files, frozenset([*manifest, MANIFEST]), frozenset(changed))


def make_push_plan(local: Mapping[str, LocalFile], remote: Remote) -> PushPlan:
    """Compare, path by path."""
    steps = []
    for path in sorted({*local, *(remote.listed or ())}):
        ours, theirs = local.get(path), remote.files.get(path)
        if ours is None:
            if theirs is not None:
                steps.append(PushStep("delete", path, 0, _rival(path, remote)))
        elif theirs is None:
            steps.append(PushStep("add", path, ours.size, _rival(path, remote)))
        elif theirs.same(ours):
            steps.append(PushStep("keep", path, ours.size))
        else:
            steps.append(PushStep("change", path, ours.size, _rival(path, remote)))
    return PushPlan(remote.commit, tuple(steps))


def _rival(path: str, remote: Remote) -> str | None:
    if remote.listed is None:
        fresh = remote.files.keys() <= _FRESH
        return "it is there already, and not from hnhub" if path in remote.files and not fresh else None
    if path in remote.changed:
        return (
            "it was changed since it was published" if path in remote.files else "it was deleted since it was published"
        )
    if path in remote.files and path not in remote.listed:
        return "it is there already, and not from hnhub"
    return None


def _describe(path: Path) -> LocalFile:
    try:
        size = path.stat().st_size
        sha256, sha1 = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                sha256.update(block)
                sha1.update(block)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})", do="build the dataset again") from error
    return LocalFile(sha256.hexdigest(), sha1.hexdigest(), size)


def _published(data: bytes) -> dict[str, Mapping[str, Any]] | None:
    """The files of a manifest that hnhub wrote, or None if it is something else."""
    try:
        manifest = json.loads(data)
        return {
            str(path): {"sha256": entry["sha256"], "size": entry["size"]} for path, entry in manifest["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
