"""The tests' own Hub, asked by the real client: does it keep the promises of the real one that the other tests rest on?"""

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from hub_client import READER, STRANGER, TOKEN, Site

pytestmark = pytest.mark.parametrize("site", ["lfs"], indirect=True)


@pytest.fixture
def repo(site: Site) -> str:
    name = site.new_name()
    site.hub.store.create("dataset", name, "ann")
    return name


def api(site: Site, method: str, *arguments: Any, token: str = TOKEN, **named: Any) -> Any:
    """A call of HfApi in the client's process: its value, or the name of its error."""
    answer = site.client("api", method=method, arguments=arguments, token=token, **named)
    site.client("api", method="whoami", arguments=[], token=TOKEN)
    return answer.get("error") or answer["value"]


def test_accounts_and_roles(site: Site, repo: str) -> None:
    assert api(site, "whoami")["name"] == "ann"
    assert api(site, "whoami", token=READER)["auth"]["accessToken"]["role"] == "read"
    assert api(site, "create_repo", "bob/x", repo_type="dataset") == "HfHubHTTPError"
    assert api(site, "create_repo", "acme/x", repo_type="dataset").endswith("/datasets/acme/x")
    assert api(site, "create_repo", "acme/x", repo_type="dataset") == "HfHubHTTPError"
    assert api(site, "delete_repo", "acme/x", repo_type="dataset", token=READER) == "HfHubHTTPError"
    assert api(site, "delete_repo", "acme/x", repo_type="dataset") is None
    assert api(site, "auth_check", repo, repo_type="dataset", token=STRANGER) is None
    assert api(site, "auth_check", repo, repo_type="dataset", write=True, token=STRANGER) in (
        "HfHubHTTPError",
        "TypeError",
    )


def test_private_is_not_there_and_gated_is_closed(site: Site, repo: str) -> None:
    site.hub.store.write(repo, {"a.txt": b"a", "b.parquet": b"b"})
    api(site, "update_repo_settings", repo, repo_type="dataset", gated="manual")
    for path in ("a.txt", "b.parquet"):
        assert api(site, "hf_hub_download", repo, path, repo_type="dataset", token=STRANGER) == "GatedRepoError"
        assert api(site, "hf_hub_download", repo, path, repo_type="dataset").endswith(path)
    site.hub.store.repos["dataset", repo].granted.add("bob")
    assert api(site, "hf_hub_download", repo, "a.txt", repo_type="dataset", token=STRANGER).endswith("a.txt")
    api(site, "update_repo_settings", repo, repo_type="dataset", private=True)
    assert api(site, "dataset_info", repo, token=STRANGER) == "RepositoryNotFoundError"


def test_long_trees_come_in_pages(site: Site, repo: str) -> None:
    site.hub.store.write(repo, {f"folder/{number:04}.txt": b"x" for number in range(2100)})
    at = len(site.hub.log)
    tree = api(site, "list_repo_tree", repo, repo_type="dataset", recursive=True)
    assert len(tree) == 2100 + 2  # and .gitattributes, and the folder
    assert len(site.hub.log[at:]) == 3 + 1
    at = len(site.hub.log)
    api(site, "list_repo_tree", repo, "folder", repo_type="dataset", expand=True)
    assert len(site.hub.log[at:]) == 42 + 1
    assert api(site, "list_repo_tree", repo, "gone", repo_type="dataset") == "RemoteEntryNotFoundError"
    paths = ["folder/0001.txt", "folder", "gone.txt"]
    assert len(api(site, "get_paths_info", repo, paths, repo_type="dataset")) == 2


def test_refs_and_revisions(site: Site, repo: str) -> None:
    old = site.hub.store.write(repo, {"a.txt": b"1"})
    api(site, "create_tag", repo, tag="v1", repo_type="dataset")
    api(site, "create_branch", repo, branch="dev/x", repo_type="dataset")
    new = site.hub.store.write(repo, {"a.txt": b"2"})
    for revision, sha in (("v1", old), ("dev/x", old), ("main", new), ("refs/heads/main", new), (old, old)):
        path = api(site, "hf_hub_download", repo, "a.txt", repo_type="dataset", revision=revision)
        assert sha in path
    assert api(site, "create_tag", repo, tag="v1", repo_type="dataset") == "HfHubHTTPError"
    assert api(site, "dataset_info", repo, revision="v9") == "RevisionNotFoundError"
    assert len(api(site, "list_repo_commits", repo, repo_type="dataset")) == 3
    api(site, "delete_tag", repo, tag="v1", repo_type="dataset")
    assert api(site, "dataset_info", repo, revision="v1") == "RevisionNotFoundError"


def test_lfs_goes_by_the_other_origin_and_in_ranges(site: Site, repo: str) -> None:
    data = bytes(range(256)) * 10
    site.hub.store.write(repo, {"a.bin": data, "a.txt": b"0123456789"})
    for path in ("a.bin", "a.txt"):
        url = f"{site.hub.url}/datasets/{repo}/resolve/main/{path}"
        request = urllib.request.Request(url, headers={"Range": "bytes=3-6"})
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 206
            assert answer.read() == (data if path == "a.bin" else b"0123456789")[3:7]
            assert ("localhost" in answer.url) == (path == "a.bin")
    with pytest.raises(urllib.error.HTTPError, match="416"):
        urllib.request.urlopen(urllib.request.Request(url, headers={"Range": "bytes=99-"}))


def test_commits_are_checked_before_anything_moves(site: Site, repo: str, tmp_path: Path) -> None:
    before = site.commits(repo)
    assert api(site, "delete_file", "gone.txt", repo, repo_type="dataset") == "RemoteEntryNotFoundError"
    assert api(site, "delete_file", "gone.txt", repo, repo_type="dataset", token=STRANGER) == "HfHubHTTPError"
    file = tmp_path / "x.txt"
    file.write_text("x")
    upload = {"path_or_fileobj": str(file), "path_in_repo": "x.txt", "repo_id": repo, "repo_type": "dataset"}
    stale = site.client("api", method="upload_file", arguments=[], **upload, parent_commit="0" * 40)
    assert stale["error"] == "HfHubHTTPError"
    assert "updated since you opened" in stale["message"]
    assert site.commits(repo) == before
    site.client("api", method="upload_file", arguments=[], **upload)
    assert site.hub.store.files(repo)["x.txt"] == b"x"


def test_collections(site: Site, repo: str) -> None:
    make = {"title": "A & B", "namespace": "ann", "description": "of a test"}
    slug = site.client("api", method="create_collection", arguments=[], **make)["value"]
    again = site.client("api", method="create_collection", arguments=[], **make)
    assert "ann/a-b-" in str(slug)
    assert again["error"] == "HfHubHTTPError"
    [name] = [c["slug"] for c in site.hub.store.collections.values() if c["title"] == "A & B"]
    assert api(site, "add_collection_item", name, "ann/gone", "dataset") == "HfHubHTTPError"
    api(site, "add_collection_item", name, repo, "dataset", note="one")
    assert api(site, "add_collection_item", name, repo, "dataset") == "HfHubHTTPError"
    assert "note='one'" in str(api(site, "get_collection", name))
    assert len(api(site, "list_collections", owner="ann")) >= 1
    api(site, "delete_collection", name)
    assert name not in site.hub.store.collections
