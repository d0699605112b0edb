"""What a push does to a repository, over LFS (whole and in parts) and over Xet; asserted on the Hub's own log and store."""

import json
import shutil
from pathlib import Path

import pytest

from hub_client import READER, STRANGER, TOKEN, Site, content, make_folder

one_transport = pytest.mark.parametrize("site", ["lfs"], indirect=True)


def test_one_commit_then_none_then_the_next_edition(site: Site, first: Path, second: Path) -> None:
    name = site.new_name()
    at = len(site.hub.log)
    done = site.push(first, name, tag="v1.0.0")
    assert done["committed"]
    assert done["verified"] == 8  # two configs, two splits, loaded and streamed
    assert done["plan"]["files"] == {"add": 8, "change": 0, "delete": 0, "keep": 0}
    assert sum("/commit/" in line.path for line in site.hub.log[at:]) == 1
    uploads = {
        "lfs": ("PUT", "/lfs/single/"),
        "multipart": ("PUT", "/lfs/part/"),
        "xet": ("GET", "xet-write-token"),
    }[site.transport]
    assert any(line.method == uploads[0] and uploads[1] in line.path for line in site.hub.log[at:])
    assert all("/lfs/" not in line.path or site.transport != "xet" for line in site.hub.log[at:])

    at = len(site.hub.log)
    again = site.push(first, name, tag="v1.0.0")
    assert not again["committed"]
    assert again["commit"] == done["commit"]
    assert {line.method for line in site.hub.log[at:]} == {"GET"}

    site.hub.store.write(name, {"notes/theirs.txt": b"hello"})
    last = site.push(second, name, tag="v2.0.0")
    assert last["plan"]["files"] == {"add": 0, "change": 5, "delete": 2, "keep": 1}
    now = site.hub.store.files(name)
    assert {path: data for path, data in now.items() if path not in (".gitattributes", "notes/theirs.txt")} == content(
        second
    )
    assert now["notes/theirs.txt"] == b"hello"
    assert site.client("load", folder=first, repo=name, revision="v1.0.0")["value"] == 8


@one_transport
def test_a_rivals_change_stops_the_push_until_forced(site: Site, first: Path, second: Path) -> None:
    name = site.new_name()
    site.published(name, first)
    site.hub.store.write(
        name, {"README.md": b"better", "stats.json": None, "data/llm/test-00000-of-00001.parquet": b"x"}
    )
    before = site.commits(name)
    answer = site.client("push", folder=second, repo=name)
    assert answer["error"] == "UsageError"
    assert "README.md: it was changed since it was published (and 2 more)" in answer["message"]
    assert "--force" in answer["message"]
    assert site.commits(name) == before
    rivals = site.client("plan", folder=second, repo=name)["value"]["steps"]
    assert {step["path"]: step["rival"] for step in rivals if step["rival"]} == {
        "README.md": "it was changed since it was published",
        "data/llm/test-00000-of-00001.parquet": "it was changed since it was published",
        "stats.json": "it was deleted since it was published",
    }
    assert site.push(second, name, force=True)["committed"]
    assert {p: d for p, d in site.hub.store.files(name).items() if p != ".gitattributes"} == content(second)


def test_a_race_elsewhere_is_kept_and_a_race_on_ours_stops(site: Site, first: Path, second: Path) -> None:
    name = site.new_name()
    site.published(name, first)
    site.hub.fail("race", "POST .*/commit/", before=lambda: site.hub.store.write(name, {"theirs.txt": b"1"}))
    at = len(site.hub.log)
    site.push(second, name)
    assert [line.status for line in site.hub.log[at:] if "/commit/" in line.path] == [412, 200]
    assert site.hub.store.files(name)["theirs.txt"] == b"1"
    assert [commit.user for commit in site.commits(name)[:2]] == ["ann", "rival"]

    site.hub.fail("race", "POST .*/commit/", before=lambda: site.hub.store.write(name, {"README.md": b"2"}))
    answer = site.client("push", folder=first, repo=name)
    assert answer["error"] == "UsageError"
    assert site.commits(name)[0].user == "rival"
    site.hub.faults.clear()


@one_transport
def test_a_repository_of_others_is_not_overwritten(site: Site, first: Path) -> None:
    name = site.new_name()
    site.hub.store.create("dataset", name, "ann")
    site.hub.store.write(name, {"README.md": b"a card made on the website"})
    assert site.push(first, name, check=False)["committed"]
    other = site.new_name()
    site.hub.store.create("dataset", other, "ann")
    site.hub.store.write(other, {"README.md": b"mine", "train.csv": b"a,b"})
    answer = site.client("push", folder=first, repo=other)
    assert "README.md: it is there already, and not from hnhub" in answer["message"]


def test_a_pull_request_is_opened_once(site: Site, first: Path, second: Path) -> None:
    name = site.new_name()
    site.published(name, first)
    before = site.commits(name)
    fault = site.hub.fail("status-after", "POST .*/commit/", status=504)
    done = site.push(second, name, pull_request=True)
    assert fault.met
    assert done["url"].endswith(f"/datasets/{name}/discussions/1")
    assert done["verified"] == 4
    assert site.commits(name) == before
    assert site.push(second, name, pull_request=True)["url"] == done["url"]
    repo = site.hub.store.repos["dataset", name]
    assert len(repo.pulls) == 1
    site.client("api", method="merge_pull_request", arguments=[name, 1], repo_type="dataset")
    assert not site.push(second, name, pull_request=True)["committed"]
    answer = site.client("push", folder=second, repo=name, pull_request=True, tag="v1")
    assert "merge it first" in answer["message"]


@one_transport
def test_settings_are_in_force_before_content_comes(site: Site, first: Path) -> None:
    name = "acme/closed"
    at = len(site.hub.log)
    site.push(first, name, private=True, gated="manual", collection="Closed")
    repo = site.hub.store.repos["dataset", name]
    assert (repo.private, repo.gated) == (True, "manual")
    paths = [line.path for line in site.hub.log[at:]]
    assert paths.index(f"/api/datasets/{name}/settings") < paths.index(f"/api/datasets/{name}/preupload/main")
    assert all(c["private"] for c in site.hub.store.collections.values() if c["title"] == "Closed")
    assert site.client("push", folder=first, repo=name, token=STRANGER)["error"] == "UsageError"
    site.client("plan", folder=first, repo=name, token=TOKEN)


@one_transport
def test_a_tag_never_moves(site: Site, first: Path, second: Path) -> None:
    name = site.new_name()
    site.push(first, name, tag="v1.0.0", check=False)
    before, at = site.commits(name), len(site.hub.log)
    answer = site.client("push", folder=second, repo=name, tag="v1.0.0")
    assert "tags never move" in answer["message"]
    assert site.commits(name) == before
    assert {line.method for line in site.hub.log[at:]} == {"GET"}
    fault = site.hub.fail("race", "POST .*/tag/", before=lambda: _tag(site, name, "v2.0.0"))
    answer = site.client("push", folder=second, repo=name, tag="v2.0.0", check=False)
    assert fault.met
    assert "somebody has set the tag v2.0.0" in answer["message"]


def _tag(site: Site, name: str, tag: str) -> None:
    repo = site.hub.store.repos["dataset", name]
    repo.tags[tag] = repo.log("main")[-1].sha


@one_transport
def test_rights_are_said_in_words(site: Site, first: Path) -> None:
    name = site.new_name()
    site.published(name, first)
    assert "may do this" in site.client("push", folder=first, repo="acme/new", token=READER)["message"]
    assert "hf auth login" in site.client("plan", folder=first, repo=name, token="hf_wrongwrongwrong")["message"]
    assert site.client("push", folder=first, repo="bob/his", token=TOKEN)["error"] == "UsageError"
    assert ("dataset", "acme/new") not in site.hub.store.repos


@one_transport
def test_a_dry_run_only_reads(site: Site, first: Path) -> None:
    at = len(site.hub.log)
    plan = site.client("plan", folder=first, repo=site.new_name())["value"]
    assert plan["commit"] is None
    assert plan["files"]["add"] == 8
    assert {line.method for line in site.hub.log[at:]} == {"GET"}


@one_transport
def test_a_folder_that_was_changed_is_refused(site: Site, first: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(first, folder)
    (folder / "README.md").write_text("mine")
    answer = site.client("push", folder=folder, repo=site.new_name())
    assert answer["error"] == "InputError"
    assert "README.md: is not what manifest.json says" in answer["message"]


def test_what_does_not_load_gets_no_tag(site: Site, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "dataset", rows=20)
    name = site.new_name()
    path = "data/bm25/train-00000-of-00001.parquet"
    sha256 = json.loads((folder / "manifest.json").read_text())["files"][path]["sha256"]
    other = (folder / "data/llm/train-00000-of-00001.parquet").read_bytes()
    # The Hub's storage goes bad after the commit.
    site.hub.fail("race", "HEAD .*/manifest.json", before=lambda: site.hub.store.blobs.update({sha256: other}))
    answer = site.client("push", folder=folder, repo=name, tag="v1.0.0")
    assert answer["error"] == "RuleBroken", answer
    assert site.hub.store.repos["dataset", name].tags == {}
    site.hub.store.blobs.pop(sha256)


@one_transport
def test_a_card_that_names_other_configs_gets_no_tag(site: Site, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "dataset", configs=("bm25", "llm"), hidden=("llm",))
    name = site.new_name()
    answer = site.client("push", folder=folder, repo=name, tag="v1.0.0")
    assert answer["error"] == "RuleBroken"
    assert "the card names the configs ['bm25'], the files are ['bm25', 'llm']" in answer["message"]
    assert site.hub.store.repos["dataset", name].tags == {}


def test_the_token_is_in_no_file_and_no_line(site: Site, first: Path) -> None:
    site.push(first, site.new_name())
    assert len(site.client.stderr) > 10_000  # it logs at the level DEBUG
    assert TOKEN not in site.client.stderr
    for path in [*site.home.rglob("*"), *first.rglob("*")]:
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
