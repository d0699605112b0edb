"""The same promises against a real Hub: HNHUB_TEST_HUB_TOKEN, HNHUB_TEST_HUB_NAMESPACE, and `pytest -m hub`.

Makes one private repository and one private collection, and deletes both.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub_client import Client, content

pytestmark = pytest.mark.hub

ENDPOINT = os.environ.get("HF_ENDPOINT", "https://huggingface.co")


@pytest.fixture(scope="module", params=["lfs", "xet"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp(request.param) / "home"
    with Client(ENDPOINT, home, os.environ["HNHUB_TEST_HUB_TOKEN"], xet=request.param == "xet", timeout=100) as client:
        yield client


@pytest.fixture(scope="module")
def repo(client: Client) -> Iterator[str]:
    name = f"{os.environ['HNHUB_TEST_HUB_NAMESPACE']}/hnhub-test-{uuid.uuid4().hex[:8]}"
    yield name
    client("api", method="delete_repo", arguments=[name], repo_type="dataset", missing_ok=True)


def pushed(client: Client, folder: Path, repo: str, **target: Any) -> dict[str, Any]:
    answer = client("push", folder=folder, repo=repo, private=True, **target)
    assert "value" in answer, answer
    done: dict[str, Any] = answer["value"]
    return done


def test_editions_tags_and_collections(client: Client, repo: str, first: Path, second: Path, tmp_path: Path) -> None:
    title = f"hnhub test {repo[-8:]}"
    one = pushed(client, first, repo, tag="v1.0.0", collection=title, note="of a test")
    try:
        assert one["committed"]
        assert one["verified"] == 8
        assert not pushed(client, first, repo, tag="v1.0.0", collection=title, note="of a test")["committed"]
        two = pushed(client, second, repo, tag="v2.0.0")
        assert two["plan"]["files"]["delete"] == 2
        assert client("load", folder=first, repo=repo, revision="v1.0.0")["value"] == 8
        assert "tags never move" in client("push", folder=first, repo=repo, tag="v2.0.0")["message"]
        client("pull", repo=repo, revision="v2.0.0", out=tmp_path / "got")
        assert content(tmp_path / "got") == content(second)
        listed = client("api", method="list_repo_commits", arguments=[repo], repo_type="dataset")["value"]
        assert len(listed) == 3  # the Hub's own first one, and ours
    finally:
        client("api", method="delete_collection", arguments=[one["collection"]], missing_ok=True)


def test_a_pull_request_is_opened_once(client: Client, repo: str, first: Path) -> None:
    one = pushed(client, first, repo, pull_request=True)
    assert one["pull_request"]
    assert pushed(client, first, repo, pull_request=True)["pull_request"] == one["pull_request"]
