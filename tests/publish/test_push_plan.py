"""Plans, as a pure function: what is sent, what is deleted, and what counts as somebody else's."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from hnhub.publish.push_plan import MANIFEST, LocalFile, Remote, RemoteFile, make_push_plan

PATHS = ("README.md", MANIFEST, "data/a.parquet", "data/b.parquet", "theirs.txt")


def local(text: str) -> LocalFile:
    data = text.encode()
    sha1 = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return LocalFile(hashlib.sha256(data).hexdigest(), sha1, len(data))


def remote(path: str, text: str) -> RemoteFile:
    file = local(text)
    return RemoteFile(file.size, file.git_sha1, file.sha256 if path.endswith(".parquet") else None)


trees = st.dictionaries(st.sampled_from(PATHS), st.sampled_from("xyz"))


@given(ours=trees, theirs=trees, listed=st.none() | trees)
def test_a_plan_makes_the_folder_and_takes_nothing_that_is_not_ours(
    ours: dict[str, str], theirs: dict[str, str], listed: dict[str, str] | None
) -> None:
    changed = frozenset(path for path, text in (listed or {}).items() if theirs.get(path) != text)
    at = Remote(
        "c0",
        {path: remote(path, text) for path, text in theirs.items()},
        None if listed is None else frozenset([*listed, MANIFEST]),
        changed,
    )
    plan = make_push_plan({path: local(text) for path, text in ours.items()}, at)

    after = dict(theirs)
    for step in plan.changes:
        if step.action == "delete":
            assert listed is not None
            assert step.path in {*listed, MANIFEST}
            assert step.path not in ours
            del after[step.path]
        else:
            assert (step.action == "add") == (step.path not in theirs)
            after[step.path] = ours[step.path]
    assert {path: after[path] for path in ours} == ours
    # What is neither in the folder nor in our manifest stays as it is.
    for path in theirs.keys() - ours.keys() - {*(listed or ()), MANIFEST}:
        assert after[path] == theirs[path]
    # Whatever is overwritten or deleted without a word is as we have published it, or in a fresh repository.
    for step in plan.changes:
        if step.rival is None and step.path in theirs:
            fresh = listed is None and set(theirs) <= {"README.md", ".gitattributes"}
            assert fresh or (
                listed is not None and (step.path == MANIFEST or listed.get(step.path) == theirs[step.path])
            )
    assert not make_push_plan({path: local(text) for path, text in ours.items()}, _made(after, ours)).changes


def _made(tree: dict[str, str], ours: dict[str, str]) -> Remote:
    return Remote(
        "c1",
        {path: remote(path, text) for path, text in tree.items()},
        frozenset([*ours, MANIFEST] if MANIFEST in ours else ours),
    )


def test_a_fresh_repository_may_hold_a_card() -> None:
    at = Remote("c0", {"README.md": remote("README.md", "theirs"), ".gitattributes": remote("", "x")})
    assert not make_push_plan({"README.md": local("ours")}, at).rivals


def test_a_repository_of_others_is_left_alone() -> None:
    at = Remote("c0", {"README.md": remote("README.md", "theirs"), "train.csv": remote("", "x")})
    plan = make_push_plan({"README.md": local("ours"), "data/a.parquet": local("a")}, at)
    assert [step.path for step in plan.rivals] == ["README.md"]
