"""The workflows, as a linter and as their own promises see them."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

EXAMPLES = sorted((ROOT / "examples").glob("*.yml"))


def load(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    return {{True: "on"}.get(key, key): value for key, value in yaml.safe_load(path.read_text()).items()}


def test_the_linter_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("zizmor")
    command = [linter, "--offline", "--no-progress", "--persona=pedantic", "--strict-collection", *WORKFLOWS, *EXAMPLES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# What a job may do beyond reading the code: the jobs of a release, each one thing.
MAY_WRITE = {
    ("release-datasets.yml", "release"): {"id-token"},
    ("release-package.yml", "attest"): {"id-token", "attestations"},
    ("release-package.yml", "publish"): {"id-token"},
    ("release-package.yml", "release"): {"contents"},
    ("release-package.yml", "site"): {"id-token", "pages"},
}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_is_permitted_by_default_and_actions_are_pinned(path: Path) -> None:
    workflow = load(path)
    assert set(workflow) <= {"name", "on", "permissions", "concurrency", "jobs"}
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        writes = {what for what, how in job["permissions"].items() if how == "write"}
        assert writes == MAY_WRITE.get((path.name, name), set()), name
        assert set(job["permissions"]) <= writes | {"contents"}, name
        if job.get("uses") == "$/.github/workflows/test.yml":
            continue
        assert job["timeout-minutes"] > 0
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert "${{" not in step.get("run", ""), "an expression in a script can be injected into; use env"
            if uses := step.get("uses"):
                assert re.fullmatch(r"(actions/[\w-]+|pypa/gh-action-pypi-publish)@[0-9a-f]{40}", uses), uses
    for line in path.read_text().splitlines():
        assert "uses: $/" in line or "uses:" not in line or re.search(r"# v\d+\.\d+\.\d+$", line), line


def test_a_package_is_tested_before_it_is_attested_and_attested_before_it_is_published() -> None:
    workflow = load(ROOT / ".github/workflows/release-package.yml")
    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    jobs = workflow["jobs"]
    assert [(name, jobs[name].get("needs")) for name in jobs] == [
        ("test", None), ("check", "test"), ("attest", "check"), ("publish", "attest"),
        ("release", "publish"), ("site", "publish"),
    ]  # fmt: skip
    assert jobs["publish"]["environment"]["name"] == "pypi"


@pytest.mark.parametrize(
    ("tag", "changelog", "says"),
    [
        ("v1.2.0", "## Unreleased\n\n- later\n\n## 1.2.0 (2026-12-01)\n\n- new\n\n## 1.1.0\n\n- old\n", None),
        ("v1.2.0", "## Unreleased\n\n- new\n", "no section ## 1.2.0"),
        ("v1.3.0", "## 1.3.0\n\n- new\n", "the wheel is not 1.3.0"),
    ],
)
def test_a_release_has_its_tags_version_and_the_changelogs_section(
    tmp_path: Path, tag: str, changelog: str, says: str | None
) -> None:
    steps = load(ROOT / ".github/workflows/release-package.yml")["jobs"]["check"]["steps"]
    (script,) = [step["run"] for step in steps if "run" in step]
    local = "\n".join(line for line in script.splitlines() if "twine" not in line)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "hnhub-1.2.0-py3-none-any.whl").touch()
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    done = subprocess.run(
        ["bash", "-e", "-c", local],
        cwd=tmp_path,
        env={**os.environ, "TAG": tag},
        capture_output=True,
        text=True,
        check=False,
    )
    if says is None:
        assert (done.returncode, (tmp_path / "notes.md").read_text().strip()) == (0, "- new")
    else:
        assert (done.returncode, says in done.stdout) == (2, True)


def test_secrets_are_seen_by_one_step_of_the_release_only() -> None:
    for path in WORKFLOWS:
        for job in load(path)["jobs"].values():
            holders = [step.get("name") for step in job.get("steps", ()) if "secrets." in yaml.safe_dump(step)]
            assert holders == (["Release"] if path.name == "release-datasets.yml" else [])
            assert "secrets." not in yaml.safe_dump({**job, "steps": []})


def test_tests_run_on_every_python_and_both_ends_of_the_dependencies() -> None:
    jobs = load(ROOT / ".github/workflows/test.yml")["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    assert jobs["wheel"]["strategy"]["matrix"]["python"] == ["3.11", "3.14"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert {row["dependencies"] for row in matrix["include"]} | set(matrix["dependencies"]) >= {
        "lowest-direct",
        "newest",
    }


def test_a_release_is_started_by_hand_or_by_tag() -> None:
    on = load(ROOT / ".github/workflows/release-datasets.yml")["on"]
    assert set(on) == {"push", "workflow_dispatch"}
    assert set(on["push"]) == {"tags"}
    assert {"plan", "runner", "endpoint", "dry_run"} == set(on["workflow_dispatch"]["inputs"])


def test_every_plan_in_the_repository_is_read() -> None:
    from hnhub.api.release import read_release

    plans = sorted((ROOT / "releases").glob("*.toml"))
    assert plans
    for plan in plans:
        assert read_release(plan).items()
