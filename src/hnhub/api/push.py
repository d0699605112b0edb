"""`hnhub.push`: a finished dataset onto the Hub, guarded."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hnhub.api.runs import Run
from hnhub.progress import showing
from hnhub.publish.finish import ANSWERS, PAGE, rewrite_card
from hnhub.publish.hub import check_repo_name, connect
from hnhub.publish.push import Pushed, Target, plan_folder_push
from hnhub.publish.push import push as publish
from hnhub.publish.push_plan import Folder, PushPlan, read_folder
from hnhub.publish.rules import refuse_unpublishable
from hnhub.publish.space import push_space
from hnhub.rows.facts import read_facts

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
    with_answers: bool = False,
    with_exports: Sequence[str] = (),
) -> Pushed:
    """Publish a run or a dataset's folder as the Hub repository `repo` (NAMESPACE/NAME): plan, one commit, verify, tag, collection.

    Nothing changed means no commit. After the commit a new process loads every config from the Hub and compares it with the
    manifest; only then is `tag` set, and the dataset added to `collection` (a slug, or a title, which is made if missing) with
    `note`. `private` and `gated` are in force before any content comes in. `force` overwrites what others put or changed where
    our files go. With `with_page` the dataset's page (`hnhub.view`) goes along and is linked from the card; `space` names a
    static Space (NAMESPACE/NAME) that shows it. With `with_answers` everything that language models answered goes along, by the
    hashes of the requests, so that others build it again (`hnhub.reproduce`) without asking a model. `with_exports` are layouts of
    `hnhub.export` that go along, by every method: as further configs where their project loads them by name, else as files.

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
        page = _prepare(folder, repo, _Along(with_page, space, with_answers, tuple(with_exports)))
        done = publish(read_folder(folder.path), target)
        if space is None or page is None:
            return done
        title = f"{folder.manifest.facts['corpus']} hard negatives"
        shown = push_space(connect(), space, page, title=title, dataset=repo, private=private, force=force)
        return replace(done, space=shown)


def plan_push(
    run: Run | str | os.PathLike[str],
    repo: str,
    *,
    with_page: bool = False,
    space: str | None = None,
    with_answers: bool = False,
    with_exports: Sequence[str] = (),
) -> PushPlan:
    """What `push` would do now, path by path; nothing is written anywhere. Raises as `push` does before it sends anything.

    >>> import hnhub
    >>> plan = hnhub.plan_push("runs/tiny", "ann/not-there-yet")
    >>> plan.commit, {step.action for step in plan.steps}
    (None, {'add'})
    """
    check_repo_name(repo)
    folder = _folder(run)
    along = _Along(with_page, space, with_answers, tuple(with_exports))
    if not along.any:
        return plan_folder_push(folder, repo)
    refuse_unpublishable(folder)
    with tempfile.TemporaryDirectory(prefix="hnhub-") as place:
        # What goes along is made in a folder of links: files are written by renaming, so what they point to stays as it is.
        copy = Path(place) / folder.path.parent.name / "dataset"
        shutil.copytree(folder.path.resolve(), copy, copy_function=os.symlink)
        _prepare(read_folder(copy), repo, along, made=folder.path)
        return plan_folder_push(read_folder(copy), repo)


@dataclass(frozen=True)
class _Along:
    """What goes along with a dataset."""

    page: bool
    space: str | None
    answers: bool
    exports: tuple[str, ...]

    @property
    def any(self) -> bool:
        return bool(self.page or self.space or self.answers or self.exports)


def _prepare(folder: Folder, repo: str, along: _Along, *, made: Path | None = None) -> str | None:
    """Put into the folder what goes along, and what its card says of it; returns the page for a Space.

    Refuses first what may not be published. `made` is where the dataset was built, if that is elsewhere.
    """
    from hnhub.api.along import exports_of, page_of
    from hnhub.api.recorded import collect_answers

    check_repo_name(repo)
    if along.space is not None:
        check_repo_name(along.space)
    if not along.any:
        return None
    refuse_unpublishable(folder)
    facts = read_facts(folder.path)
    added: dict[str, bytes | Path] = {}
    page = None
    with tempfile.TemporaryDirectory(prefix="hnhub-") as place:
        if along.answers and (found := collect_answers(made or folder.path)) is not None:
            added[ANSWERS], facts["answers"] = found
        if along.exports:
            # What an earlier push put along stays: layouts are added to those that are there, and made anew where they are named again.
            layouts = [*(one["layout"] for one in facts.get("exports", ())), *along.exports]
            facts["exports"], files = exports_of(folder.path, layouts, Path(place))
            added |= files
        if along.page or along.space:
            page = page_of(folder.path)
            facts["look"] = {"page": PAGE if along.page else None, "space": along.space}
            added |= {PAGE: page.encode()} if along.page else {}
        rewrite_card(folder.path, facts, added=added)
    return page


def _folder(run: Run | str | os.PathLike[str]) -> Folder:
    return read_folder(run.folder if isinstance(run, Run) else Path(run).expanduser())
