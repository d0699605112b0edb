"""The commands as a user gives them, on a dataset as the build makes it, with verification in a process of its own."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hnhub.errors import RuleBroken
from hnhub.publish.finish import write_card
from hnhub.publish.push import Target, plan_folder_push, push
from hnhub.publish.push_plan import read_folder
from hnhub.publish.rules import refuse_unpublishable
from hnhub.rows.validate import validate
from hub_client import TOKEN, clean_environment, content
from hub_server import HubServer
from small_run import make_dataset

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.add_user(TOKEN, "ann")
        yield server


@pytest.fixture(scope="module")
def run(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("home")

    def run(*arguments: Any, code: int = 0, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "hnhub", *map(str, arguments)],
            env=clean_environment(hub.url, home, token, xet=True), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return done

    return run


def test_publish_and_fetch_and_compare(hub: HubServer, run: Run, dataset: Path, tmp_path: Path) -> None:
    push = ("push", dataset, "--repo", "ann/tiny", "--tag", "v1.2.3", "--collection", "Hard negatives")
    assert "+ add     manifest.json" in run(*push, "--dry-run").stdout
    assert ("dataset", "ann/tiny") not in hub.store.repos

    done = json.loads(run(*push, "--json").stdout)
    assert done["committed"]
    assert done["verified"] == 10
    assert done["tag"] == "v1.2.3"
    commits = [line for line in hub.log if "/commit/" in line.path]
    assert [line.status for line in commits] == [200]
    [collection] = hub.store.collections.values()
    assert [item["note"] for item in collection["items"]] == ["Hard negatives for tiny: llm, bm25"]

    told = run(*push).stdout
    assert "nothing to commit, it stands at" in told
    assert f"viewer {hub.url}/datasets/ann/tiny/viewer" in told.splitlines()
    assert len([line for line in hub.log if "/commit/" in line.path]) == 1

    run("pull", "ann/tiny", "--revision", "v1.2.3", "--out", tmp_path / "got")
    assert content(tmp_path / "got") == content(dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["got"]
    assert "is there already" in run("pull", "ann/tiny", "--out", tmp_path / "got", code=2).stderr


def test_the_page_goes_along_and_into_a_space(hub: HubServer, run: Run, tmp_path: Path) -> None:
    folder = make_dataset(tmp_path)
    asked = ("push", folder, "--repo", "ann/looked-at", "--with-page", "--space", "ann/looked-at-page")
    planned = json.loads(run(*asked, "--dry-run", "--json").stdout)
    assert planned["space"] == "ann/looked-at-page"
    assert "page.html" in [step["path"] for step in planned["steps"]]
    assert not (folder / "page.html").exists()
    done = json.loads(run(*asked, "--json").stdout)
    assert done["space"] == f"{hub.url}/spaces/ann/looked-at-page"
    page = (folder / "page.html").read_bytes()
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "in the Space [ann/looked-at-page](https://huggingface.co/spaces/ann/looked-at-page)" in card
    assert "by [page.html](page.html), one file" in card
    tree = hub.store.repos["space", "ann/looked-at-page"].find("main").tree
    assert {"README.md", "index.html", "hnhub.json"} <= set(tree)
    assert (
        hashlib.sha256(page).hexdigest()
        == json.loads(hub.store.blobs[tree["hnhub.json"].sha256])["files"]["index.html"]
    )
    assert list(validate(folder)) == []
    assert hub.store.files("ann/looked-at")["page.html"] == page

    sent = len([line for line in hub.log if "/commit/" in line.path])
    assert "nothing to commit" in run(*asked).stdout
    assert len([line for line in hub.log if "/commit/" in line.path]) == sent


def test_somebody_elses_space_is_left_alone(hub: HubServer, run: Run, tmp_path: Path) -> None:
    hub.store.create("space", "ann/demo", "ann")
    other = hub.store.repos["space", "ann/demo"]
    first = other.find("main")
    tree = {**first.tree, "app.py": hub.store.put(b"print()", lfs=False)}
    other.branches["main"] = hub.store.commit(other, first, tree, "mine", "ann").sha
    folder = make_dataset(tmp_path)
    told = run("push", folder, "--repo", "ann/looked-at-too", "--space", "ann/demo", code=2).stderr
    assert "is a Space of another kind" in told
    assert other.find("main").tree == tree


def test_a_failed_verification_says_what_to_do(hub: HubServer, run: Run, dataset: Path) -> None:
    path = "data/bm25/train-00000-of-00001.parquet"
    sha256 = json.loads((dataset / "manifest.json").read_text())["files"][path]["sha256"]
    good = hub.store.blobs.get(sha256, b"") or (dataset / path).read_bytes()
    hub.fail("race", "HEAD .*/manifest.json", before=lambda: hub.store.blobs.update({sha256: b"\0" * len(good)}))
    done = run("push", dataset, "--repo", "ann/bad", "--tag", "v1", code=1)
    hub.store.blobs[sha256] = good
    assert f"{path}: its content is not what the manifest says" in done.stderr
    assert "stands and has no tag: repair, push again" in done.stderr
    assert hub.store.repos["dataset", "ann/bad"].tags == {}
    run("push", dataset, "--repo", "ann/bad", "--tag", "v1")
    assert set(hub.store.repos["dataset", "ann/bad"].tags) == {"v1"}


def test_what_breaks_a_rule_is_not_sent(hub: HubServer, run: Run, tmp_path: Path) -> None:
    folder = make_dataset(tmp_path)
    (folder / "data" / "extra.parquet").write_bytes(b"x")
    at = len(hub.log)
    assert "is not published" in run("push", folder, "--repo", "ann/broken", code=1).stderr
    assert len(hub.log) == at


def test_text_that_may_not_be_passed_on_is_not_sent(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path)
    _with_facts(folder, corpus={"redistributable": False, "licence": "unknown"}, rights_statement=None)
    with pytest.raises(RuleBroken, match="does not let it be passed on; say why you may"):
        refuse_unpublishable(read_folder(folder))
    for doubtful in (None, False):
        _with_facts(folder, corpus={"redistributable": doubtful, "licence": "unknown"}, rights_statement=None)
        for door in (
            lambda: push(read_folder(folder), Target("ann/x")),
            lambda: plan_folder_push(read_folder(folder), "ann/x"),
        ):
            with pytest.raises(RuleBroken, match="licence"):
                door()
    _with_facts(folder, corpus={"redistributable": True, "licence": "mit"}, rights_statement=None)
    refuse_unpublishable(read_folder(folder))
    _with_facts(folder, rights_statement="I wrote it.")
    refuse_unpublishable(read_folder(folder))
    assert "I wrote it." in (folder / "README.md").read_text()


def _with_facts(folder: Path, corpus: dict[str, Any] | None = None, **facts: Any) -> None:
    """Change what the card is rendered from, and render and list it again."""
    old = json.loads((folder / "stats.json").read_text())
    write_card(folder, {**old, **facts, "corpus": {**old["corpus"], **(corpus or {})}})
    manifest = json.loads((folder / "manifest.json").read_text())
    for path, entry in manifest["files"].items():
        data = (folder / path).read_bytes()
        entry |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_usage(run: Run, dataset: Path, tmp_path: Path) -> None:
    assert "NAMESPACE/NAME" in run("push", dataset, "--repo", "tiny", code=2).stderr
    assert "hf auth login" in run("push", dataset, "--repo", "ann/tiny", code=2, token=None).stderr
    assert "ann/new (not there yet)" in run("push", dataset, "--repo", "ann/new", "--dry-run", token=None).stdout
    assert "no dataset is here" in run("push", tmp_path, "--repo", "ann/tiny", code=2).stderr
