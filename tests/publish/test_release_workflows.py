"""The workflows, as a linter and as their own promises see them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def load(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    return {{True: "on"}.get(key, key): value for key, value in yaml.safe_load(path.read_text()).items()}


def test_the_linter_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("zizmor")
    command = [linter, "--offline", "--no-progress", "--persona=pedantic", "--strict-collection", *WORKFLOWS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_is_permitted_by_default_and_actions_are_pinned(path: Path) -> None:
    workflow = load(path)
    assert set(workflow) <= {"name", "on", "permissions", "concurrency", "jobs"}
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert set(job["permissions"]) <= {"contents", "id-token"}, name
        assert job["permissions"]["contents"] == "read"
        assert job["timeout-minutes"] > 0
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert "${{" not in step.get("run", ""), "an expression in a script can be injected into; use env"
            if uses := step.get("uses"):
                assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", uses), uses
    for line in path.read_text().splitlines():
        assert "uses:" not in line or re.search(r"# v\d+\.\d+\.\d+$", line), line


def test_secrets_are_seen_by_one_step_of_the_release_only() -> None:
    for path in WORKFLOWS:
        for job in load(path)["jobs"].values():
            holders = [step.get("name") for step in job["steps"] if "secrets." in yaml.safe_dump(step)]
            assert holders == (["Release"] if path.name == "release-datasets.yml" else [])
            assert "secrets." not in yaml.safe_dump({**job, "steps": []})


def test_tests_run_on_every_python_and_both_ends_of_the_dependencies() -> None:
    matrix = load(ROOT / ".github/workflows/test.yml")["jobs"]["test"]["strategy"]["matrix"]
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
