"""A Hub client that takes orders as JSON lines on standard input (`hub_client.Client` gives them)."""

import functools
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hnhub.publish import hub
from hnhub.publish.check import check_published
from hnhub.publish.collection import add_to_collection
from hnhub.publish.pull import pull
from hnhub.publish.push import Target, carry_out, look
from hnhub.publish.push_plan import MANIFEST, Folder, read_folder

TIMEOUT = float(sys.argv[1])


def _check(folder: Folder, repo: str, commit: str) -> int:
    with tempfile.TemporaryDirectory() as cache:
        return check_published(repo, commit, folder.path / MANIFEST, Path(cache))


def _push(folder: str, check: bool = True, **target: Any) -> dict[str, Any]:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.sleep(min(seconds, 0.05))

    verify: Callable[[Folder, str, str], int] = _check if check else lambda *_: 0
    done = carry_out(hub.connect(TIMEOUT), read_folder(Path(folder)), Target(**target), verify=verify, sleep=sleep)
    return {**done.as_dict(), "slept": slept}


def _plan(folder: str, repo: str) -> dict[str, Any]:
    return look(hub.connect(TIMEOUT), read_folder(Path(folder)), repo).as_dict()


def _collect(repo: str, collection: str, note: str) -> str:
    api = hub.connect(TIMEOUT)
    step = functools.partial(add_to_collection, api, repo, collection, note)
    return hub.retry(step, f"adding {repo}", sleep=lambda _: None)


def _pull(repo: str, revision: str, out: str) -> str:
    return pull(hub.connect(TIMEOUT), repo, revision, Path(out))


def _load(folder: str, repo: str, revision: str) -> int:
    """Load a revision as `datasets` does and compare it with a folder."""
    commit = hub.connect(TIMEOUT).dataset_info(repo, revision=revision).sha
    return _check(read_folder(Path(folder)), repo, commit or "")


def _api(method: str, arguments: list[Any], **named: Any) -> Any:
    """Any call of huggingface_hub's own client."""
    value = getattr(hub.connect(TIMEOUT), method)(*arguments, **named)
    return list(value) if hasattr(value, "__next__") else value


def main() -> None:
    """Take orders until the input ends."""
    logging.basicConfig(level=logging.DEBUG)
    orders: dict[str, Callable[..., Any]] = {
        "push": _push,
        "plan": _plan,
        "load": _load,
        "api": _api,
        "collect": _collect,
        "pull": _pull,
    }
    hub.connect(TIMEOUT)
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    for line in sys.stdin:
        order = json.loads(line)
        os.environ["HF_TOKEN"] = order.pop("token", None) or os.environ["HF_TOKEN"]
        try:
            answer = {"value": orders[order.pop("order")](**order)}
        except Exception as error:
            logging.getLogger("worker").debug("failed", exc_info=True)
            answer = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
