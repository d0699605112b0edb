"""A published dataset as a folder: every file that its manifest lists, each one checked."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hnhub import stages
from hnhub.errors import InputError, RuleBroken, UsageError
from hnhub.publish.hub import check_repo_name, connect, fetch, retry
from hnhub.publish.push_plan import MANIFEST, dataset_folder
from hnhub.text.paths import check_hub_name

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["opened", "pull", "split_revision"]


def split_revision(name: str) -> tuple[str, str]:
    """`NAMESPACE/NAME[@REVISION]` -> (repository, revision). Raises UsageError if it is not that."""
    repo, _, revision = name.partition("@")
    return check_repo_name(repo), revision or "main"


def pull(api: "HfApi", repo: str, revision: str, out: Path) -> str:
    """Fetch a dataset that hnhub published into the folder `out`; returns the commit.

    What an interrupted pull has fetched lies beside `out` and is used by the next one. Raises UsageError if `out` is
    there already, InputError if the repository has no manifest, RuleBroken if a file is not what the manifest says.
    """
    if out.exists():
        raise UsageError(f"{out}: is there already", do="delete it, or give another --out")
    reading = f"reading {repo} at {revision}"
    commit = retry(lambda: api.dataset_info(repo, revision=revision).sha, reading, first=True) or ""
    manifest = retry(lambda: _manifest(api, repo, commit), reading)
    work = out.parent / f".{out.name}-{commit[:12]}.partial"
    for path in sorted([*manifest, MANIFEST]):
        _check_path(repo, path)

        def get(path: str = path) -> str:
            return api.hf_hub_download(repo, path, repo_type="dataset", revision=commit, local_dir=work)

        local = Path(retry(get, f"fetching {path} of {repo}"))
        if path in manifest and stages.file_sha256(local) != manifest[path]:
            raise RuleBroken(f"{repo} at {commit[:12]}: {path} is not what {MANIFEST} says", do="pull another revision")
    shutil.rmtree(work / ".cache", ignore_errors=True)  # the client's own notes
    work.rename(out)
    return commit


@contextmanager
def opened(name: str) -> Iterator[Path]:
    """The folder of a dataset that is given as a path (a dataset or a run), or as `REPO[@REVISION]`, fetched for as long."""
    path = Path(name).expanduser()
    if path.is_dir():
        yield dataset_folder(path)
        return
    if path.exists():
        raise InputError(f"{name}: is no folder", do="give a dataset's folder, or NAMESPACE/NAME on the Hub")
    check_hub_name(name, do="give a dataset's folder, or NAMESPACE/NAME on the Hub", owned=True)
    repo, revision = split_revision(name)
    with tempfile.TemporaryDirectory(prefix="hnhub-") as folder:
        pull(connect(writing=False), repo, revision, Path(folder) / "dataset")
        yield Path(folder) / "dataset"


def _manifest(api: "HfApi", repo: str, commit: str) -> dict[str, str]:
    from huggingface_hub.errors import EntryNotFoundError

    try:
        files = json.loads(fetch(api, repo, commit, MANIFEST))["files"]
        return {path: entry["sha256"] for path, entry in files.items()}
    except (EntryNotFoundError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{repo} at {commit[:12]}: has no {MANIFEST} of hnhub", do="fetch it with `hf download` instead"
        ) from error


def _check_path(repo: str, path: str) -> None:
    """A manifest is somebody else's word: it may not name a file outside of the folder."""
    if path.startswith("/") or "\\" in path or ".." in path.split("/"):
        raise RuleBroken(f"{repo}: its manifest names the path {path!r}", do="don't use this repository")
