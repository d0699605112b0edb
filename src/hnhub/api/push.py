"""`hnhub.push`: a finished dataset onto the Hub, guarded."""

import os
from pathlib import Path
from typing import Literal

from hnhub.api.runs import Run
from hnhub.progress import showing
from hnhub.publish.hub import check_repo_name
from hnhub.publish.plan import Folder, Plan, read_folder
from hnhub.publish.push import Pushed, Target
from hnhub.publish.push import plan_push as make_plan
from hnhub.publish.push import push as publish

__all__ = ["plan_push", "push"]


def push(
    run: Run | str | os.PathLike[str],
    repo: str,
    *,
    tag: str | None = None,
    collection: str | None = None,
    note: str | None = None,
    private: bool = False,
    gated: Literal["auto", "manual"] | None = None,
    pull_request: bool = False,
    force: bool = False,
) -> Pushed:
    """Publish a run or a dataset's folder as the Hub repository `repo` (NAMESPACE/NAME): plan, one commit, verify, tag, collection.

    Nothing changed means no commit. After the commit a new process loads every config from the Hub and compares it with the
    manifest; only then is `tag` set, and the dataset added to `collection` (a slug, or a title, which is made if missing) with
    `note`. `private` and `gated` are in force before any content comes in. `force` overwrites what others put or changed where
    our files go.

    Raises RuleBroken, before anything is sent, for data that breaks a rule of `validate` or text that may not be passed on, and
    after the commit if what is on the Hub does not load as it should; UsageError without a token, for a tag that stands
    elsewhere or somebody else's file in the way; ServiceError if the Hub fails.

    >>> import hnhub
    >>> done = hnhub.push("runs/tiny", "ann/tiny-hard-negatives", tag="v1.0.0")
    >>> done.committed, done.verified, done.tag
    (True, 10, 'v1.0.0')
    >>> hnhub.push("runs/tiny", "ann/tiny-hard-negatives", tag="v1.0.0").committed
    False
    """
    target = Target(
        repo,
        tag,
        collection,
        note,
        private=private,
        gated=gated,
        pull_request=pull_request,
        force=force,
    )
    with showing():
        return publish(_folder(run), target)


def plan_push(run: Run | str | os.PathLike[str], repo: str) -> Plan:
    """What `push` would do now, path by path; nothing is written anywhere. Raises as `push` does before it sends anything.

    >>> import hnhub
    >>> plan = hnhub.plan_push("runs/tiny", "ann/not-there-yet")
    >>> plan.commit, {step.action for step in plan.steps}
    (None, {'add'})
    """
    check_repo_name(repo)
    return make_plan(_folder(run), repo)


def _folder(run: Run | str | os.PathLike[str]) -> Folder:
    return read_folder(run.folder if isinstance(run, Run) else Path(run).expanduser())
