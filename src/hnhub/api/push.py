"""`hnhub.push`: a finished dataset onto the Hub, guarded."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hnhub.api.runs import Run
from hnhub.progress import showing
from hnhub.publish.finish import PAGE, rewrite_card
from hnhub.publish.hub import check_repo_name, connect
from hnhub.publish.push import Pushed, Target, plan_folder_push
from hnhub.publish.push import push as publish
from hnhub.publish.push_plan import Folder, PushPlan, read_folder
from hnhub.publish.rules import refuse_unpublishable
from hnhub.publish.space import push_space

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
    with_page: bool = False,
    space: str | None = None,
) -> Pushed:
    """Publish a run or a dataset's folder as the Hub repository `repo` (NAMESPACE/NAME): plan, one commit, verify, tag, collection.

    Nothing changed means no commit. After the commit a new process loads every config from the Hub and compares it with the
    manifest; only then is `tag` set, and the dataset added to `collection` (a slug, or a title, which is made if missing) with
    `note`. `private` and `gated` are in force before any content comes in. `force` overwrites what others put or changed where
    our files go. With `with_page` the dataset's page (`hnhub.view`) goes along and is linked from the card; `space` names a
    static Space (NAMESPACE/NAME) that shows it.

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
        folder = _folder(run)
        if not (with_page or space):
            return publish(folder, target)
        page = _page(folder, repo, with_page=with_page, space=space)
        done = publish(read_folder(folder.path), target)
        if space is None:
            return done
        title = f"{folder.manifest.facts['corpus']} hard negatives"
        shown = push_space(connect(), space, page, title=title, dataset=repo, private=private, force=force)
        return replace(done, space=shown)


def plan_push(run: Run | str | os.PathLike[str], repo: str) -> PushPlan:
    """What `push` would do now, path by path; nothing is written anywhere. Raises as `push` does before it sends anything.

    >>> import hnhub
    >>> plan = hnhub.plan_push("runs/tiny", "ann/not-there-yet")
    >>> plan.commit, {step.action for step in plan.steps}
    (None, {'add'})
    """
    check_repo_name(repo)
    return plan_folder_push(_folder(run), repo)


def _page(folder: Folder, repo: str, *, with_page: bool, space: str | None) -> str:
    """The dataset's page; what its card says of it is written into the folder. Refuses first what may not be published."""
    from hnhub.viewer.page import render
    from hnhub.viewer.read import read_view
    from hnhub.viewer.records import Shown

    check_repo_name(repo)
    if space is not None:
        check_repo_name(space)
    refuse_unpublishable(folder)
    page = render({**read_view(folder.path, Shown(published=True)), "against": None, "marks": None})
    facts = json.loads((folder.path / "stats.json").read_text(encoding="utf-8"))
    told = {"page": PAGE if with_page else None, "space": space}
    rewrite_card(folder.path, {**facts, "look": told}, page=page if with_page else None)
    return page


def _folder(run: Run | str | os.PathLike[str]) -> Folder:
    return read_folder(run.folder if isinstance(run, Run) else Path(run).expanduser())
