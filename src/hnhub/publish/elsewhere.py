"""A finished dataset on any filesystem that fsspec knows (`s3://`, `gs://`, `file://`, ...), or as one commit on `hf://`.

A folder without its manifest is no dataset, here as everywhere in hnhub. So files go to temporary names, the old manifest
is taken away, files are moved to their places, and the new manifest comes last: that is the commit. A reader never takes
half of a dataset for a whole one, whether or not the filesystem can rename a folder at once.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hnhub.errors import HnhubError, ServiceError, UsageError
from hnhub.publish.hub import check_repo_name
from hnhub.publish.push import Target, push
from hnhub.publish.push_plan import MANIFEST, read_folder
from hnhub.stages import file_sha256, read_record

__all__ = ["check_url", "deliver", "is_url"]

_HUB = "hf://"
_TEMPORARY = ".tmp"
_OLD = ".tmp/old-manifest.json"
_NEW = f".tmp/{MANIFEST}"


def is_url(out: str) -> bool:
    """Whether this is a URL and no path of the machine's own."""
    return "://" in out


def check_url(url: str) -> None:
    """Look whether a dataset may go there; nothing is written. Raises UsageError if it can't be reached or holds something else."""
    if url.startswith(_HUB):
        _repository(url)
        return
    filesystem, root = _open(url)
    with _as_service_error(url):
        _there(filesystem, root, url)


def deliver(folder: Path, url: str) -> bool:
    """Put the dataset in `folder` at `url`, in place of the one there; False if that is the same already.

    Raises UsageError if something else lies there or it may not be published, ServiceError if the other side fails: then
    `url` holds the old dataset, or none, and the same call goes on.
    """
    if url.startswith(_HUB):
        return push(read_folder(folder), Target(repo=_repository(url))).committed
    filesystem, root = _open(url)
    files = sorted(read_record(folder / MANIFEST).files)
    with _as_service_error(url):
        manifest, old = _there(filesystem, root, url)
        if same := manifest == file_sha256(folder / MANIFEST):
            _clear_temporary(filesystem, root)
        else:
            _put(filesystem, root, folder, files, old)
    return not same


@contextmanager
def _as_service_error(url: str) -> Iterator[None]:
    # Whatever it is: filesystems have errors of their own.
    try:
        yield
    except HnhubError:
        raise
    except Exception as error:
        raise ServiceError(
            f"{url}: {type(error).__name__}: {error}", do="run the same command again: what was made is kept"
        ) from error


def _open(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        filesystem.invalidate_cache()  # instances are shared, and a build may lie between check and delivery
        filesystem.exists(f"{path}/{MANIFEST}")
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(
            f"{url}: can't be reached ({told})", do="mend the URL, install its package or log in there"
        ) from error
    return filesystem, path


def _there(filesystem: Any, root: str, url: str) -> tuple[str | None, list[str]]:
    """The hash of the manifest there, and the files that it and deliveries that were cut off may have put there."""
    places = [place for place in (MANIFEST, _OLD, _NEW) if filesystem.exists(f"{root}/{place}")]
    found = {place: filesystem.cat_file(f"{root}/{place}") for place in places}
    listed = {place: _listed(text) for place, text in found.items()}
    if MANIFEST in found:
        foreign = listed[MANIFEST] is None
    else:
        foreign = filesystem.exists(root) and filesystem.ls(root) and not filesystem.exists(f"{root}/{_TEMPORARY}")
    if foreign:
        raise UsageError(f"{url}: holds something else", do="give another --out, or clear it away")
    manifest = hashlib.sha256(found[MANIFEST]).hexdigest() if MANIFEST in found else None
    return manifest, sorted({name for names in listed.values() for name in names or ()})


def _listed(manifest: bytes) -> list[str] | None:
    """The files that a manifest lists; None if it is another program's, or was cut off while it was written."""
    try:
        return [name for name, file in json.loads(manifest)["files"].items() if file["sha256"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _put(filesystem: Any, root: str, folder: Path, files: list[str], old: list[str]) -> None:
    whole = filesystem.exists(f"{root}/{MANIFEST}")
    if not whole:  # now, since what lists them is overwritten next
        _remove(filesystem, root, old)
    for name in [*files, MANIFEST]:
        filesystem.makedirs(_parent(f"{root}/{_TEMPORARY}/{name}"), exist_ok=True)
        filesystem.put_file(str(folder / name), f"{root}/{_TEMPORARY}/{name}")
    if whole:
        filesystem.mv(f"{root}/{MANIFEST}", f"{root}/{_OLD}")
        _remove(filesystem, root, old)
    for name in [*files, MANIFEST]:
        filesystem.makedirs(_parent(f"{root}/{name}"), exist_ok=True)
        filesystem.mv(f"{root}/{_TEMPORARY}/{name}", f"{root}/{name}")
    _clear_temporary(filesystem, root)


def _remove(filesystem: Any, root: str, names: Iterable[str]) -> None:
    for name in names:
        if filesystem.exists(f"{root}/{name}"):
            filesystem.rm_file(f"{root}/{name}")


def _clear_temporary(filesystem: Any, root: str) -> None:
    if filesystem.exists(f"{root}/{_TEMPORARY}"):  # an object store has no empty folders
        filesystem.rm(f"{root}/{_TEMPORARY}", recursive=True)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _repository(url: str) -> str:
    kind, _, name = url.removeprefix(_HUB).partition("/")
    if kind != "datasets":
        raise UsageError(f"{url}: is no dataset repository", do="write hf://datasets/NAMESPACE/NAME")
    return check_repo_name(name)
