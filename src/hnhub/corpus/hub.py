"""Fetch a dataset repository's files from the Hub, always at a commit."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hnhub.corpus.layout import PATTERNS
from hnhub.errors import InputError, ServiceError

__all__ = ["fetch", "newest_revision"]

_TIMEOUT = 30.0
"""Seconds to wait for an answer of the Hub."""


def newest_revision(repo: str, revision: str | None = None) -> str:
    """The commit that a branch or tag (default: the main branch) stands at; a commit is taken as it is.

    Raises InputError, ServiceError.
    """
    if revision and re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    from huggingface_hub import HfApi

    with _explained(repo, revision):
        sha = HfApi().dataset_info(repo, revision=revision, timeout=_TIMEOUT).sha
    assert sha is not None
    return sha


def fetch(repo: str, revision: str, patterns: Sequence[str] = PATTERNS) -> Path:
    """The folder, in the Hub client's cache, that holds the repository's corpus files at a commit."""
    from huggingface_hub import HfApi, constants, file_download, snapshot_download

    cache = Path(constants.HF_HUB_CACHE, file_download.repo_folder_name(repo_id=repo, repo_type="dataset"))
    with _explained(repo, revision):
        if not (cache / "snapshots" / revision).is_dir():
            # This fails at once without a network, where the download tries for half a minute.
            HfApi().dataset_info(repo, revision=revision, timeout=_TIMEOUT)
        folder = snapshot_download(
            repo, repo_type="dataset", revision=revision, allow_patterns=list(patterns), etag_timeout=_TIMEOUT
        )
    if not any(Path(folder).rglob("*.*")):
        raise InputError(
            f"{repo}: holds no corpus at {revision[:12]}",
            do="check the id, or name a part as owner/name:part; docs/corpora.md says what is read",
        )
    return Path(folder)


@contextmanager
def _explained(repo: str, revision: str | None) -> Iterator[None]:
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise InputError(
            f"{repo}: is gated on the Hub", do="ask for access on its page and set HF_TOKEN, or give --corpus-dir"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise InputError(f"{repo}: has no revision {revision}", do="check the revision") from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"{repo}: no such dataset on the Hub, or no access",
            do="check the id, or set HF_TOKEN, or give --corpus-dir",
        ) from error
    except errors.HFValidationError as error:
        raise InputError(f"{repo}: is no dataset id", do="write it as owner/name") from error
    except Exception as error:  # the client's HTTP library differs between its versions
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise ServiceError(
            f"{repo}: can't be fetched from the Hub ({text[0]})",
            do="try again, or give --corpus-dir or HNHUB_CORPORA with a local copy",
        ) from error
