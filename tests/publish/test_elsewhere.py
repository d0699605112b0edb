"""A dataset on filesystems other than the machine's own: whole or not there, and moved nowhere twice."""

import json
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from hnhub.errors import ServiceError, UsageError
from hnhub.publish.elsewhere import check_url, deliver
from hub_client import TOKEN, clean_environment, content
from hub_server import HubServer
from test_build import write_corpus


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{request.param}://{tmp_path}/there/dataset"


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


@pytest.mark.parametrize("method", ["put_file", "rm_file", "mv"])
def test_a_failure_leaves_the_old_dataset_or_none(
    first: Path, second: Path, url: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(first, url)
    filesystem, _ = fsspec.core.url_to_fs(url)
    plain, calls = getattr(type(filesystem), method), []

    def failing(self: object, *given: object, **named: object) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        plain(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(type(filesystem), method, failing)
        with pytest.raises(ServiceError, match=r"No space left on device; run the same command again"):
            deliver(second, url)
    there = listed(url)
    if "manifest.json" in there:
        names = json.loads(there["manifest.json"])["files"]
        assert {name: there[name] for name in names} == {name: (first / name).read_bytes() for name in names}
    assert deliver(second, url)
    assert listed(url) == expected(second)


def test_what_is_no_dataset_is_left_alone(first: Path, url: str) -> None:
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.makedirs(root)
    filesystem.pipe_file(f"{root}/thesis.txt", b"years of work")
    with pytest.raises(UsageError, match="holds something else; give another --out"):
        deliver(first, url)
    assert listed(url) == {"thesis.txt": b"years of work"}


@pytest.mark.parametrize("url", ["nosuch://bucket/x", "hf://models/a/b", "hf://datasets/a b"])
def test_a_url_that_can_not_be_is_refused_before_work(url: str) -> None:
    with pytest.raises(UsageError):
        check_url(url)


def test_a_build_on_a_url_and_on_the_hub(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpora" / "made")
    with HubServer() as hub:
        hub.add_user(TOKEN, "ann")
        environment = {
            **clean_environment(hub.url, tmp_path / "home", TOKEN, xet=True),
            "HNHUB_HOME": str(tmp_path / "cache"),
        }

        def build(out: str) -> str:
            command = [sys.executable, "-m", "hnhub", "build", "made", "--corpus-dir", str(corpus), "--method", "bm25"]
            command += [
                "--queries-from",
                "qrels",
                "--negatives",
                "2",
                "--depth",
                "10",
                "--i-have-the-rights",
                "made here",
            ]
            done = subprocess.run(
                [*command, "--out", out], env=environment, capture_output=True, text=True, timeout=200, check=False
            )
            assert done.returncode == 0, done.stderr
            return done.stderr

        url = f"file://{tmp_path}/there"
        assert f"{url}: written" in build(url)
        assert f"{url}: there" in build(url)
        assert "hf://datasets/ann/made: written" in build("hf://datasets/ann/made")
        assert "hf://datasets/ann/made: there" in build("hf://datasets/ann/made")
        assert len(hub.store.repos["dataset", "ann/made"].commits) <= 2  # the repository's first, and ours
    build(str(tmp_path / "plain"))
    assert content(tmp_path / "there") == content(tmp_path / "plain" / "made" / "dataset")
    assert not (tmp_path / "there" / ".tmp").exists()
