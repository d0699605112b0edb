"""A static Space that shows a dataset's page: its own README and index.html, in one commit, or none if nothing changed."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from hnhub.errors import UsageError
from hnhub.publish.hub import check_repo_name, fetch, retry

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["push_space"]

_MARKER = "hnhub.json"
_FRESH = frozenset((".gitattributes", "README.md"))


def push_space(
    api: "HfApi", space: str, page: str, *, title: str, dataset: str, private: bool = False, force: bool = False
) -> str:
    """Publish `page` as the Space `space` (NAMESPACE/NAME), which is made if it is missing; returns its address.

    Raises UsageError for a Space that is not from hnhub, unless `force`; ServiceError if the Hub fails.
    """
    check_repo_name(space)
    files = {"README.md": _readme(title, dataset), "index.html": page}
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    ours = [False]  # whether this call made it: the Hub puts files of its own into a new one
    marker = json.dumps({"dataset": dataset, "files": hashes}, indent=1, sort_keys=True) + "\n"

    def attempt() -> None:
        from huggingface_hub import CommitOperationAdd

        if not api.repo_exists(space, repo_type="space"):
            api.create_repo(space, repo_type="space", space_sdk="static", private=private or None, exist_ok=True)
            ours[0] = True
        info = api.space_info(space)
        there = {sibling.rfilename for sibling in info.siblings or ()}
        if _MARKER in there and info.sha and fetch(api, space, info.sha, _MARKER, kind="space") == marker.encode():
            return
        if not (ours[0] or force or _MARKER in there or there <= _FRESH):
            raise UsageError(f"{space}: is a Space of another kind", do="give another name, or push with --force")
        api.create_commit(
            space,
            [CommitOperationAdd(name, text.encode()) for name, text in {**files, _MARKER: marker}.items()],
            commit_message=f"The page of {dataset}",
            repo_type="space",
            parent_commit=info.sha,
        )

    retry(attempt, f"publishing the Space {space}")
    return f"{api.endpoint}/spaces/{space}"


def _readme(title: str, dataset: str) -> str:
    import yaml

    facts: dict[str, Any] = {
        "title": title[:60],
        "colorFrom": "blue",
        "colorTo": "gray",
        "sdk": "static",
        "app_file": "index.html",
        "datasets": [dataset],
        "tags": ["hard-negatives", "hnhub"],
    }
    head = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{head}---\n\nThe rows of [{dataset}](https://huggingface.co/datasets/{dataset}), to look at.\n"
