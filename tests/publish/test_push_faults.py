"""Every fault, over every transport: one new commit or none, never a part of one, and the tag loads what was pushed."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hub_client import Site, content

log = logging.getLogger("faults")

COMMIT = r"POST /api/datasets/\S+/commit/"
GATEWAY = {"body": "<html>502 Bad Gateway</html>", "headers": {"Content-Type": "text/html"}}


@dataclass(frozen=True)
class Case:
    """A fault and what has to come of it."""

    name: str
    kind: str
    match: str
    more: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    """The error's class; then nothing has been committed, unless `lands`."""
    lands: bool = True
    transports: tuple[str, ...] = ("lfs", "xet")
    slept: list[float] | None = None
    new: bool = False
    """Whether the repository is new; else it holds the first edition, of which two files are to be deleted."""


CASES = [
    Case("commit 429 Retry-After", "status", COMMIT, {"status": 429, "headers": {"Retry-After": "7"}}, slept=[7.0]),
    Case(
        "commit 429 ratelimit", "status", COMMIT,
        {"status": 429, "headers": {"ratelimit": '"api";r=0;t=9', "ratelimit-policy": '"fixed window";"api";q=500;w=300'}},
        slept=[10.0],
    ),
    Case("commit 429 asks for an hour", "status", COMMIT, {"status": 429, "headers": {"Retry-After": "3600"}}, "ServiceError", lands=False),
    Case("commit 408", "status", COMMIT, {"status": 408}),
    Case("commit 409", "status", COMMIT, {"status": 409}),
    Case("commit 500", "status", COMMIT, {"status": 500}),
    Case("commit 502 not JSON", "status", COMMIT, {"status": 502, **GATEWAY}),
    Case("commit 503 for good", "status", COMMIT, {"status": 503, "times": 99}, "ServiceError", lands=False, slept=[1, 2, 4, 8, 16]),
    Case("commit 403", "status", COMMIT, {"status": 403}, "UsageError", lands=False),
    Case("commit 400", "status", COMMIT, {"status": 400}, "ServiceError", lands=False),
    Case("commit landed, 500", "status-after", COMMIT, {"status": 500}),
    Case("commit landed, 504", "status-after", COMMIT, {"status": 504}),
    Case("commit landed, 504 twice", "status-after", COMMIT, {"status": 504, "times": 2}),
    Case("commit dropped", "drop", COMMIT),
    Case("commit landed, dropped", "drop-after", COMMIT),
    Case("commit hangs", "hang", COMMIT, {"seconds": 6}),
    Case("new repo: commit landed, 504", "status-after", COMMIT, {"status": 504}, new=True),
    Case("new repo: commit dropped", "drop", COMMIT, new=True),
    Case("create 500", "status", "POST /api/repos/create", {"status": 500}, new=True),
    Case("created, 504", "status-after", "POST /api/repos/create", {"status": 504}, new=True),
    Case("created, dropped", "drop-after", "POST /api/repos/create", new=True),
    Case("create 403", "status", "POST /api/repos/create", {"status": 403}, "UsageError", lands=False, new=True),
    Case("tip 503", "status", r"GET /api/datasets/\S+/revision/main", {"status": 503}),
    Case("tip dropped", "drop", r"GET /api/datasets/\S+/revision/main"),
    Case("tree 429", "status", r"GET /api/datasets/\S+/tree/", {"status": 429, "headers": {"Retry-After": "0"}}),
    Case("tree hangs", "hang", r"GET /api/datasets/\S+/tree/", {"seconds": 6}),
    Case("manifest dropped", "drop", r"GET /datasets/\S+/manifest.json"),
    Case("validate-yaml 502 not JSON", "status", "POST /api/validate-yaml", {"status": 502, **GATEWAY}),
    Case("preupload 503", "status", r"POST \S+/preupload/", {"status": 503}),
    Case("preupload dropped", "drop", r"POST \S+/preupload/"),
    Case("LFS batch 500", "status", "POST /datasets/.*/objects/batch", {"status": 500}, transports=("lfs",)),
    Case("LFS PUT 500", "status", "PUT /lfs/(single|part)", {"status": 500}, transports=("lfs", "multipart")),
    Case("LFS PUT 400", "status", "PUT /lfs/(single|part)", {"status": 400}, transports=("lfs", "multipart")),
    Case("LFS PUT truncated", "truncate", "PUT /lfs/(single|part)", transports=("lfs", "multipart")),
    Case("LFS PUT dropped", "drop", "PUT /lfs/(single|part)", transports=("lfs", "multipart")),
    Case("LFS PUT stored, dropped", "drop-after", "PUT /lfs/(single|part)", transports=("lfs", "multipart")),
    Case("LFS verify 404", "status", "POST /lfs/verify", {"status": 404}, transports=("lfs", "multipart")),
    Case("LFS parts 503", "status", "POST /lfs/complete", {"status": 503}, transports=("multipart",)),
    Case("Xet token 500", "status", "GET .*xet-write-token", {"status": 500}, transports=("xet",)),
    Case("Xet token dropped", "drop", "GET .*xet-write-token", transports=("xet",)),
    Case("verify: file 503", "status", r"GET /datasets/\S+/stats.json", {"status": 503, "skip": 1}),
    Case("verify: file truncated", "truncate", r"GET /datasets/\S+/manifest.json", {"skip": 1}),
    Case("verify: data truncated", "truncate", "GET /cdn/"),
    Case("verify: data dropped", "drop", "GET /cdn/", {"skip": 2}),
    Case("tag 500", "status", r"POST \S+/tag/", {"status": 500}),
    Case("tag set, 504", "status-after", r"POST \S+/tag/", {"status": 504}),
    Case("tag set, dropped", "drop-after", r"POST \S+/tag/"),
    Case("collection 500", "status", "POST /api/collections", {"status": 500}),
    Case("item added, 504", "status-after", "POST /api/collections/.*/items", {"status": 504}),
    Case("item added, dropped", "drop-after", "POST /api/collections/.*/items"),
]  # fmt: skip


# By transport, so that each one's client is started once. What does not depend on it is slow on the second one.
PAIRS = [
    pytest.param(
        transport,
        case,
        id=f"{transport}-{case.name}",
        marks=pytest.mark.slow if transport == "xet" and case.match != COMMIT and "Xet" not in case.name else (),
    )
    for transport in ("lfs", "multipart", "xet")
    for case in CASES
    if transport in case.transports
]


@pytest.mark.parametrize(("site", "case"), PAIRS, indirect=["site"], scope="session")
def test_a_fault_leaves_one_commit_or_none(case: Case, site: Site, first: Path, second: Path) -> None:
    name = site.new_name()
    if not case.new:
        site.published(name, first)
    before = site.commits(name)
    fault = site.hub.fail(case.kind, case.match, **case.more)
    at = len(site.hub.log)

    answer = site.client("push", folder=second, repo=name, tag="v2.0.0", collection="Faults", note="of tests")

    site.hub.faults.clear()
    assert fault.met, "the fault met no request"
    commits = site.commits(name)
    ours = [commit for commit in commits if commit not in before and commit.title.startswith("Publish")]
    tries = sum("/commit/" in line.path for line in site.hub.log[at:])
    outcome = answer.get("error") or f"tagged {answer['value']['verified']} loads"
    # pytest --log-file=FILE --log-file-level=INFO makes the table of faults.
    log.info("%s | %s | %d | %d | %s", case.name, site.transport, len(ours), tries, outcome)
    assert answer.get("error") == case.error, answer
    assert len(ours) == int(case.lands)
    repo = site.hub.store.repos.get(("dataset", name))
    if case.lands:
        assert repo
        tip = site.hub.store.files(name)
        assert {path: data for path, data in tip.items() if path != ".gitattributes"} == content(second)
        assert repo.tags == {"v2.0.0": ours[0].sha}
        if "verify" in case.name:  # elsewhere the push itself has loaded this very commit
            assert site.client("load", folder=second, repo=name, revision="v2.0.0")["value"] == 4
        (items,) = [found["items"] for found in site.hub.store.collections.values() if found["title"] == "Faults"]
        assert [item["note"] for item in items if item["id"] == name] == ["of tests"]
    else:
        assert commits == before
        assert not (repo and repo.tags)
    if case.slept is not None and "value" in answer:
        assert answer["value"]["slept"] == case.slept
