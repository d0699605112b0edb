"""Collections: made once, items once, notes current, also when answers are lost."""

import pytest

from hub_client import Site

pytestmark = pytest.mark.parametrize("site", ["lfs"], indirect=True)


def items(site: Site, title: str) -> list[tuple[str, str]]:
    [found] = [c for c in site.hub.store.collections.values() if c["title"] == title]
    return [(item["id"], item["note"]) for item in found["items"]]


def add(site: Site, repo: str, collection: str, note: str) -> str:
    answer = site.client("collect", repo=repo, collection=collection, note=note)
    assert "value" in answer, answer
    return str(answer["value"])


def test_by_title_then_by_slug(site: Site) -> None:
    names = [site.new_name() for _ in range(6)]
    for name in names:
        site.hub.store.create("dataset", name, "ann")
    slugs = {add(site, name, "Six", "first") for name in names}
    assert len(slugs) == 1
    # A list of collections shows the first items only; this one is further down.
    at = len(site.hub.log)
    add(site, names[5], "Six", "first")
    assert {line.method for line in site.hub.log[at:]} == {"GET"}
    add(site, names[5], slugs.pop(), "second")
    assert items(site, "Six") == [(name, "first") for name in names[:5]] + [(names[5], "second")]


@pytest.mark.parametrize("match", ["POST /api/collections$", "POST .*/items", "GET /api/collections", "PATCH"])
@pytest.mark.parametrize("kind", ["status", "status-after", "drop", "drop-after"])
def test_a_fault_adds_nothing_twice(site: Site, match: str, kind: str) -> None:
    name = site.new_name()
    title = f"{kind} {match}"
    site.hub.store.create("dataset", name, "ann")
    if match == "PATCH":
        add(site, name, title, "old")
    fault = site.hub.fail(kind, match)
    add(site, name, title, "new")
    assert fault.met
    site.hub.faults.clear()
    assert items(site, title) == [(name, "new")]


def test_another_owners_collection_says_why(site: Site) -> None:
    answer = site.client("collect", repo="ann/x", collection=f"bob/gone-{0:024}", note="")
    assert answer["error"] in ("UsageError", "ServiceError")
    assert "ann/x" in answer["message"]
