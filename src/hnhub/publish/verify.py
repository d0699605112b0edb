"""Is what lies on the Hub what the manifest says? Asked as a stranger would: in a new process, with nothing cached."""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from hnhub.errors import RuleBroken, ServiceError
from hnhub.publish.push_plan import MANIFEST, Folder

__all__ = ["verify_published"]

_CACHES = (
    "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_DATASETS_CACHE", "HF_MODULES_CACHE", "HF_ASSETS_CACHE", "HF_XET_CACHE",
    "HF_DATASETS_DOWNLOADED_DATASETS_PATH", "HF_DATASETS_EXTRACTED_DATASETS_PATH", "XDG_CACHE_HOME",
    "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE",
)  # fmt: skip
"""Variables that would let the new process find something cached, or keep it from the Hub."""


def verify_published(folder: Folder, repo: str, commit: str) -> int:
    """Load every config and split at a commit, as a whole and streamed, and compare with the folder's manifest.

    Returns how many loads were compared. Raises RuleBroken if a file, a schema, a count or a row differs, ServiceError if
    the Hub could not be read.
    """
    from huggingface_hub import get_token

    again = f"the commit {commit[:12]} stands and has no tag: repair, push again; or retry if the Hub was at fault"
    with tempfile.TemporaryDirectory(prefix="hnhub-verify-") as home:
        environment = {key: value for key, value in os.environ.items() if key not in _CACHES}
        environment |= {"HF_HOME": home, "TMPDIR": home, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        if token := get_token():
            environment["HF_TOKEN"] = token
        command = [sys.executable, "-m", "hnhub.publish.check", repo, commit, str(folder.path / MANIFEST)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    report = _last_report(done.stdout)
    if done.returncode == 0 and "loads" in report:
        return int(report["loads"])
    if "broken" in report:
        raise RuleBroken(f"{repo} at {commit[:12]}: {report['broken']}", do=again)
    why = report.get("failed") or (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    raise ServiceError(f"{repo} at {commit[:12]} could not be verified: {why}", do=again)


def _last_report(printed: str) -> dict[str, Any]:
    """The last line that is a JSON object; something else may print after it, or instead."""
    for line in reversed(printed.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}
