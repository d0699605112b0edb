"""Publishing a dataset folder: look, plan, one commit, verify, and only then the tag and the collection.

Every step looks before it acts, so that after a failure whose outcome is unknown (an answer lost on the way, a
gateway's 504) the next look finds what has landed.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hnhub import __version__
from hnhub.errors import UsageError
from hnhub.publish.collection import add_to_collection
from hnhub.publish.hub import check_repo_name, connect, retry
from hnhub.publish.push_plan import Folder, PushPlan, PushStep, Remote, make_push_plan, read_remote
from hnhub.publish.rules import refuse_unpublishable
from hnhub.publish.verify import verify_published

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi

__all__ = ["Pushed", "Target", "carry_out", "look", "plan_folder_push", "push"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """Where to, and how."""

    repo: str
    tag: str | None = None
    collection: str | None = None
    """A slug, or a title in the repository's namespace."""
    note: str | None = None
    """The item's note in the collection; by default the corpus and the methods."""
    private: bool = False
    gated: str | None = None
    """`auto` or `manual`: readers have to ask."""
    pull_request: bool = False
    force: bool = False
    """Overwrite what somebody else put or changed where our files go."""

    def __post_init__(self) -> None:
        check_repo_name(self.repo)
        if self.pull_request and (self.tag or self.collection):
            raise UsageError(
                "a pull request gets no tag and no collection", do="merge it first, then push again with --tag"
            )


@dataclass(frozen=True)
class Pushed:
    """What a push has done."""

    repo: str
    url: str
    plan: PushPlan
    commit: str
    """Where the repository has exactly this content."""
    committed: bool
    """Whether that took a new commit."""
    pull_request: str | None
    verified: int
    """How many loads of a config's split were compared with the manifest; 0 if there was nothing to do."""
    tag: str | None
    collection: str | None
    space: str | None = None
    """The address of the Space that shows its page."""
    viewer: str | None = None
    """The address of the Hub's viewer of its rows; none of a pull request or a private repository."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {**vars(self), "plan": self.plan.as_dict()}


def plan_folder_push(folder: Folder, repo: str) -> PushPlan:
    """What a push would do now; nothing is written anywhere, so no token is needed to look at what is public.

    Raises RuleBroken for what may not be published.
    """
    refuse_unpublishable(folder)
    return look(connect(writing=False), folder, repo)


def push(folder: Folder, target: Target) -> Pushed:
    """Publish a folder (of `read_folder`).

    Raises RuleBroken before anything is sent if it breaks a rule or may not be published (`hnhub.publish.rules`), and as
    `carry_out`.
    """
    refuse_unpublishable(folder)
    return carry_out(connect(), folder, target)


def look(api: "HfApi", folder: Folder, repo: str) -> PushPlan:
    """The plan against what the repository holds now."""
    remote = retry(lambda: read_remote(api, repo), f"reading {repo}", first=True)
    return make_push_plan(folder.files, remote)


def carry_out(
    api: "HfApi",
    folder: Folder,
    target: Target,
    *,
    verify: Callable[[Folder, str, str], int] = verify_published,
    sleep: Callable[[float], None] = time.sleep,
) -> Pushed:
    """One commit, verified, tagged, in the collection. What it holds is looked at by `push`.

    Raises UsageError if a rival's file is in the way or the tag stands elsewhere, ServiceError if the Hub fails, and RuleBroken
    if what is on the Hub does not load as the manifest says; then there is no tag.
    """
    repo = target.repo
    tagged = retry(lambda: _tagged(api, folder, target), f"reading the tags of {repo}", first=True, sleep=sleep)
    retry(lambda: _open(api, target), f"opening {repo}", first=True, sleep=sleep)
    attempt = _PullRequest(api, folder, target) if target.pull_request else _Commit(api, folder, target)
    commit, pull_request = retry(attempt, f"committing to {repo}", sleep=sleep)
    assert attempt.plan
    # The tag is set only after a verification: where it stands with this content, there was one.
    verified = 0 if tagged and not attempt.sent else verify(folder, repo, commit)
    if (tag := target.tag) and not tagged:
        retry(lambda: _set_tag(api, repo, tag, commit), f"tagging {repo}", sleep=sleep)
    slug = None
    if title := target.collection:
        note = target.note or _note(folder)
        slug = retry(
            lambda: add_to_collection(api, repo, title, note, private=target.private),
            f"adding {repo} to the collection {title!r}",
            sleep=sleep,
        )
    url = pull_request or f"{api.endpoint}/datasets/{repo}"
    shown = None if pull_request or target.private else f"{url}/viewer"
    return Pushed(repo, url, attempt.plan, commit, attempt.sent, pull_request, verified, tag, slug, viewer=shown)


def _note(folder: Folder) -> str:
    facts = folder.manifest.facts
    methods = ", ".join(facts.get("recipe", {}).get("methods", ()))
    return f"Hard negatives for {facts.get('corpus', 'a corpus')}: {methods}"[:500]


def _tagged(api: "HfApi", folder: Folder, target: Target) -> bool:
    """Whether the tag is there, with the folder's content. Raises UsageError if it is there with another."""
    if target.tag is None or _tag_commit(api, target.repo, target.tag) is None:
        return False
    remote = read_remote(api, target.repo, target.tag)
    if make_push_plan(folder.files, remote).changes:
        raise UsageError(
            f"{target.repo}: the tag {target.tag} stands at {(remote.commit or '')[:12]}, with other content; tags never move",
            do="give a new one",
        )
    return True


def _tag_commit(api: "HfApi", repo: str, tag: str) -> str | None:
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        refs = api.list_repo_refs(repo, repo_type="dataset")
    except RepositoryNotFoundError:
        return None
    return next((ref.target_commit for ref in refs.tags if ref.name == tag), None)


def _set_tag(api: "HfApi", repo: str, tag: str, commit: str) -> None:
    there = _tag_commit(api, repo, tag)
    if there is None:
        api.create_tag(repo, tag=tag, revision=commit, repo_type="dataset")
    elif there != commit:
        raise UsageError(f"{repo}: somebody has set the tag {tag} at {there[:12]} meanwhile", do="give a new one")


def _open(api: "HfApi", target: Target) -> None:
    """Make the repository if it is missing, and its settings as asked, before any content comes in."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.dataset_info(target.repo)
    except RepositoryNotFoundError:
        if target.pull_request:
            raise
        api.create_repo(target.repo, repo_type="dataset", private=target.private or None, exist_ok=True)
        info = api.dataset_info(target.repo)
    if target.private and not info.private:
        api.update_repo_settings(target.repo, repo_type="dataset", private=True)
    if target.gated and info.gated != target.gated:
        api.update_repo_settings(target.repo, repo_type="dataset", gated=target.gated)  # type: ignore[arg-type]


class _Commit:
    """One try: plan against the tip as it is now, and commit unless there is nothing to do."""

    def __init__(self, api: "HfApi", folder: Folder, target: Target) -> None:
        self.api, self.folder, self.target = api, folder, target
        self.plan: PushPlan | None = None
        """The first plan that was sent, or the last if none was."""
        self.sent = False

    def __call__(self) -> tuple[str, str | None]:
        """(commit, None) where the repository has the folder's content."""
        plan = self._plan(read_remote(self.api, self.target.repo))
        assert plan.commit
        if not plan.changes:
            return plan.commit, None
        return self._send(plan).oid, None

    def _plan(self, remote: Remote) -> PushPlan:
        plan = make_push_plan(self.folder.files, remote)
        if not self.sent:
            self.plan = plan
        if plan.rivals and not self.target.force:
            first = plan.rivals[0]
            raise UsageError(
                f"{self.target.repo}: {first.path}: {first.rival}" + _and_more(plan.rivals),
                do=f"look at it with `hnhub diff {self.target.repo} {self.folder.path.name}`, then push with --force",
            )
        return plan

    def _send(self, plan: PushPlan) -> "CommitInfo":
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations = [
            CommitOperationDelete(step.path)
            if step.action == "delete"
            else CommitOperationAdd(step.path, self.folder.path / step.path)
            for step in plan.changes
        ]
        self.sent = True
        facts = self.folder.manifest
        return self.api.create_commit(
            self.target.repo,
            operations,
            commit_message=f"Publish {facts.facts.get('corpus', 'dataset')} with hnhub {__version__}",
            commit_description=f"Fingerprint {facts.fingerprint}",
            repo_type="dataset",
            parent_commit=plan.commit,
            create_pr=self.target.pull_request,
        )


class _PullRequest(_Commit):
    """The same as a pull request. One that is open with this content is taken instead of opening another."""

    OPEN_TO_LOOK_AT = 10

    def __call__(self) -> tuple[str, str | None]:
        """(commit, URL of the pull request, or None if main has the content already)."""
        plan = self._plan(read_remote(self.api, self.target.repo))
        assert plan.commit
        if not plan.changes:
            return plan.commit, None
        if found := self._open_already():
            return found
        info = self._send(plan)
        return info.oid, info.pr_url

    def _open_already(self) -> tuple[str, str] | None:
        repo = self.target.repo
        refs = self.api.list_repo_refs(repo, repo_type="dataset", include_pull_requests=True)
        numbers = sorted((int(ref.ref.rsplit("/", 1)[1]) for ref in refs.pull_requests or ()), reverse=True)
        for number in numbers[: self.OPEN_TO_LOOK_AT]:
            remote = read_remote(self.api, repo, f"refs/pr/{number}")
            if remote.commit and not make_push_plan(self.folder.files, remote).changes:
                details = self.api.get_discussion_details(repo, number, repo_type="dataset")
                if details.status in ("open", "draft"):
                    return remote.commit, f"{self.api.endpoint}/datasets/{repo}/discussions/{number}"
        return None


def _and_more(rivals: tuple[PushStep, ...]) -> str:
    return f" (and {len(rivals) - 1} more)" if len(rivals) > 1 else ""
