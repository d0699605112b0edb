"""A finished dataset on any filesystem that fsspec knows (`s3://`, `gs://`, `file://`, ...), or as one commit on `hf://`.

A folder without its manifest is no dataset, here as everywhere in hnhub. So files go to temporary names, the old manifest
is taken away, files are moved to their places, and the new manifest comes last: that is the commit. A reader never takes
half of a dataset for a whole one, whether or not the filesystem can rename a folder at once.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from hnhub.errors import ServiceError, UsageError
from hnhub.publish.hub import check_repo_name, connect
from hnhub.publish.plan import MANIFEST, read_folder
from hnhub.publish.push import Target, push
from hnhub.publish.rules import refuse_unpublishable
from hnhub.stages import file_sha256, read_record

__all__ = ["check_url", "deliver", "is_url"]

_HUB = "hf://"
_TEMPORARY = ".tmp"
_OLD = ".tmp/old-manifest.json"


def is_url(out: str) -> bool:
    """Whether this is a URL and no path of the machine's own."""
    return "://" in out


def check_url(url: str) -> None:
    """Look whether the URL can be spoken to; nothing is written. Raises UsageError if not."""
    if url.startswith(_HUB):
        _repository(url)
    else:
        _open(url)


def deliver(folder: Path, url: str) -> bool:
    """Put the dataset in `folder` at `url`, in place of the one there; False if that is the same already.

    Raises UsageError if something else lies there or it may not be published, ServiceError if the other side fails: then
    `url` holds the old dataset, or none, and the same call goes on.
    """
    if url.startswith(_HUB):
        dataset = read_folder(folder)
        refuse_unpublishable(dataset)
        return push(connect(), dataset, Target(repo=_repository(url))).committed
    filesystem, root = _open(url)
    files = sorted(read_record(folder / MANIFEST).files)
    try:
        old = _files_at(filesystem, root, url)
        if old.get(MANIFEST) == file_sha256(folder / MANIFEST):
            return False
        _put(filesystem, root, folder, files, sorted(set(old) - {*files, MANIFEST}))
    except OSError as error:
        raise ServiceError(f"{url}: {error}", do="run the same command again: the build is kept") from error
    return True


def _open(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        filesystem.exists(f"{path}/{MANIFEST}")
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(
            f"{url}: can't be reached ({told})", do="mend the URL, install its package or log in there"
        ) from error
    return filesystem, path


def _files_at(filesystem: Any, root: str, url: str) -> dict[str, str]:
    """Hashes by path of the dataset that lies there, or lay there when a delivery was cut off (then without its manifest)."""
    if filesystem.exists(f"{root}/{MANIFEST}"):
        text = filesystem.cat_file(f"{root}/{MANIFEST}")
        return {**_hashes(text), MANIFEST: hashlib.sha256(text).hexdigest()}
    if filesystem.exists(f"{root}/{_OLD}"):
        return _hashes(filesystem.cat_file(f"{root}/{_OLD}"))
    if filesystem.exists(root) and filesystem.ls(root) and not filesystem.exists(f"{root}/{_TEMPORARY}"):
        raise UsageError(f"{url}: holds something else", do="give another --out, or clear it away")
    return {}


def _hashes(manifest: bytes) -> dict[str, str]:
    return {path: file["sha256"] for path, file in json.loads(manifest)["files"].items()}


def _put(filesystem: Any, root: str, folder: Path, files: list[str], stale: list[str]) -> None:
    for name in [*files, MANIFEST]:
        filesystem.makedirs(_parent(f"{root}/{_TEMPORARY}/{name}"), exist_ok=True)
        filesystem.put_file(str(folder / name), f"{root}/{_TEMPORARY}/{name}")
    if filesystem.exists(f"{root}/{MANIFEST}"):
        filesystem.mv(f"{root}/{MANIFEST}", f"{root}/{_OLD}")
    for name in stale:
        if filesystem.exists(f"{root}/{name}"):
            filesystem.rm_file(f"{root}/{name}")
    for name in [*files, MANIFEST]:
        filesystem.makedirs(_parent(f"{root}/{name}"), exist_ok=True)
        filesystem.mv(f"{root}/{_TEMPORARY}/{name}", f"{root}/{name}")
    filesystem.rm(f"{root}/{_TEMPORARY}", recursive=True)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _repository(url: str) -> str:
    kind, _, name = url.removeprefix(_HUB).partition("/")
    if kind != "datasets":
        raise UsageError(f"{url}: is no dataset repository", do="write hf://datasets/NAMESPACE/NAME")
    return check_repo_name(name)
