"""A dataset on filesystems other than the machine's own: whole or not there, and moved nowhere twice."""

import json
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractFileSystem

import hnhub
from hnhub.errors import ServiceError, UsageError
from hnhub.progress import Event, listening
from hnhub.publish.elsewhere import check_url, deliver
from hub_client import TOKEN, clean_environment, content, make_folder
from hub_server import HubServer
from small_corpus import write_corpus


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{request.param}://{tmp_path}/there/dataset"


@pytest.fixture(scope="module")
def third(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An edition without `second`'s config."""
    return make_folder(tmp_path_factory.mktemp("third") / "dataset", edition=3, configs=("llm",))


def listed(url: str) -> dict[str, bytes]:
    filesystem, root = fsspec.core.url_to_fs(url)
    return {path[len(root) + 1 :]: filesystem.cat_file(path) for path in filesystem.find(root)}


def expected(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_written_once_and_replaced_by_the_next_edition(first: Path, second: Path, url: str) -> None:
    assert deliver(first, url)
    assert listed(url) == expected(first)
    assert not deliver(first, url)
    assert deliver(second, url)
    assert listed(url) == expected(second)  # a config fewer: its files are gone


class FullError(Exception):
    """An error of a filesystem's own, as gcsfs has them."""


def cut_off(folder: Path, url: str, method: str, call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery that fails in this call of the filesystem's method."""
    kind = type(fsspec.core.url_to_fs(url)[0])
    plain, calls = getattr(kind, method), []

    def failing(self: object, *given: object, **named: object) -> None:
        calls.append(given)
        if len(calls) == call:
            raise FullError("No space left")
        plain(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(kind, method, failing)
        with pytest.raises(ServiceError, match=r"FullError: No space left; run the same command again"):
            deliver(folder, url)


@pytest.mark.parametrize("method", ["put_file", "rm_file", "mv"])
def test_a_failure_leaves_the_old_dataset_or_none(
    first: Path, second: Path, url: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(first, url)
    cut_off(second, url, method, 2, monkeypatch)
    there = listed(url)
    if "manifest.json" in there:
        names = json.loads(there["manifest.json"])["files"]
        assert {name: there[name] for name in names} == {name: (first / name).read_bytes() for name in names}
    assert deliver(second, url)
    assert listed(url) == expected(second)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("again", ["put_file", None])
def test_an_edition_over_one_that_was_cut_off_leaves_none_of_its_files(
    first: Path, second: Path, third: Path, url: str, before: bool, again: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        deliver(first, url)
    moved = len(json.loads((second / "manifest.json").read_text())["files"])
    cut_off(second, url, "mv", before + moved, monkeypatch)  # all but one are in their places
    assert any(name.startswith("data/bm25/") for name in listed(url))
    if again:
        files = len(json.loads((third / "manifest.json").read_text())["files"])
        cut_off(third, url, again, files + 1, monkeypatch)  # at its manifest
    assert deliver(third, url)
    assert listed(url) == expected(third)


def test_a_repeated_delivery_clears_what_was_left(
    first: Path, second: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(first, url)
    filesystem, root = fsspec.core.url_to_fs(url)
    with monkeypatch.context() as patch:
        patch.setattr("hnhub.publish.elsewhere._clear_temporary", lambda *_: None)
        deliver(second, url)
    assert filesystem.exists(f"{root}/.tmp/old-manifest.json")
    assert not deliver(second, url)
    assert not filesystem.exists(f"{root}/.tmp")
    assert listed(url) == expected(second)


class Flat(MemoryFileSystem):
    """As an object store: a folder is there while something is in it."""

    protocol = "flat"
    exists = AbstractFileSystem.exists

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        pass


def test_on_a_filesystem_without_folders(first: Path, second: Path, tmp_path: Path) -> None:
    fsspec.register_implementation("flat", Flat, clobber=True)
    url = f"flat://{tmp_path}/there"
    check_url(url)
    assert deliver(first, url)
    assert deliver(second, url)
    assert not deliver(second, url)
    assert listed(url) == expected(second)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("thesis.txt", b"years of work"),
        ("manifest.json", b'{"name": "an extension"}'),
        ("manifest.json", b'{"files": ["a"]}'),
        ("manifest.json", b"[]"),
        ("manifest.json", b"\xff no JSON"),
    ],
)
def test_what_is_no_dataset_is_refused_and_left_alone(first: Path, url: str, name: str, content: bytes) -> None:
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.makedirs(root)
    filesystem.pipe_file(f"{root}/{name}", content)
    for refused in (lambda: check_url(url), lambda: deliver(first, url)):
        with pytest.raises(UsageError, match="holds something else; give another --out"):
            refused()
    assert listed(url) == {name: content}


@pytest.mark.parametrize("url", ["nosuch://bucket/x", "hf://models/a/b", "hf://datasets/a b"])
def test_a_url_that_can_not_be_is_refused_before_work(url: str) -> None:
    with pytest.raises(UsageError):
        check_url(url)


def test_a_build_on_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = write_corpus(tmp_path / "corpora" / "made")
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "cache"))
    url = f"file://{tmp_path}/there"
    told: list[Event] = []
    for out in (url, url, tmp_path / "plain"):
        with listening(told.append):
            hnhub.build(
                corpus, methods=["bm25"], queries_from="qrels", negatives=2, depth=10, rights="made here", out=out
            )
    assert [(one.what, one.state) for one in told if one.stage == url] == [("written", "made"), ("as it was", "there")]
    assert content(tmp_path / "there") == content(tmp_path / "plain" / "made" / "dataset")
    assert not (tmp_path / "there" / ".tmp").exists()


def test_the_command_builds_on_the_hub(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpora" / "made")
    command = [
        *(sys.executable, "-m", "hnhub", "build", "made", "--corpus-dir", corpus),
        *("--method", "bm25", "--queries-from", "qrels"),
        *("--negatives", "2", "--depth", "10", "--i-have-the-rights", "made here", "--out", "hf://datasets/ann/made"),
    ]
    with HubServer() as hub:
        hub.add_user(TOKEN, "ann")
        environment = {
            **clean_environment(hub.url, tmp_path / "home", TOKEN, xet=True),
            "HNHUB_HOME": str(tmp_path / "cache"),
        }
        for told in ("written", "as it was there"):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
            assert done.returncode == 0, done.stderr
            assert f"hf://datasets/ann/made {told}" in " ".join(done.stderr.split())
        assert len(hub.store.repos["dataset", "ann/made"].commits) <= 2  # the repository's first, and ours
