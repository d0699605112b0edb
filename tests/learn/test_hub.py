"""Training from a Hub repository, as a user gives the command: real clients, over a real socket, in processes of their own."""

import json
import subprocess
import sys

import pytest

from hub_client import TOKEN, clean_environment
from hub_server import HubServer
from small_run import make_dataset


@pytest.fixture(scope="module")
def hub():
    with HubServer() as server:
        server.add_user(TOKEN, "ann")
        yield server


@pytest.fixture(scope="module")
def run(hub, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clients")

    def run(*arguments, code=0, **environment):
        clean = clean_environment(hub.url, folder / "hf", TOKEN, xet=False)
        done = subprocess.run(
            [sys.executable, "-m", "hnhub", *map(str, arguments)],
            env={**clean, "HNHUB_HOME": str(folder / "home"), **environment},
            capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def pushed(hub, run, tmp_path_factory):
    """A dataset that `hnhub push` has put there with a tag, and that has moved on since; the tag's commit."""
    run("push", make_dataset(tmp_path_factory.mktemp("run")), "--repo", "ann/tiny", "--tag", "v1.0.0")
    commit = hub.store.repos["dataset", "ann/tiny"].tags["v1.0.0"]
    hub.store.write("ann/tiny", {"notes.txt": b"later"})
    return commit


def test_train_from_a_repository_at_a_revision(pushed, run, corpus, static_model, tmp_path):
    # The corpus that must not be trained on is the one that the manifest in the repository names.
    command = (
        "train",
        "ann/tiny",
        "--revision",
        "v1.0.0",
        "--config",
        "bm25",
        "--model",
        static_model,
        "--batch",
        4,
        "--epochs",
        1,
    )
    found = json.loads(run(*command, "--corpus-dir", corpus, "--out", tmp_path / "model", "--json").stdout)
    assert (found["dataset"], found["revision"]) == ("ann/tiny", pushed)
    assert found["leaks"][0]["corpus"] == "tiny"
    assert found["trained_rows"] + found["held_out_rows"] > 8
    card = (tmp_path / "model/README.md").read_text()
    assert "datasets:\n- ann/tiny\n" in card
    assert f"`ann/tiny`, revision `{pushed}`" in card
    # What is kept is enough, if the revision is a commit: the Hub is not asked again.
    command = (*command[:3], pushed, *command[4:], "--corpus-dir", corpus, "--out", tmp_path / "model")
    run(*command, HF_HUB_OFFLINE="1")


def test_what_the_hub_has_not_got_is_bad_input(pushed, run, static_model, tmp_path):
    for name, more, message in (
        ("ann/nothing", (), "ann/nothing: no such dataset on the Hub, or no access; check the id"),
        ("ann/tiny", ("--revision", "v9"), "ann/tiny: has no revision v9"),
        ("ann/tiny", ("--config", "ce"), "ann/tiny: config 'ce' can't be loaded"),
    ):
        command = ("train", name, "--config", "bm25", *more, "--model", static_model, "--out", tmp_path / "model")
        assert message in run(*command, code=2).stderr


def test_an_outage_is_no_bad_input(pushed, hub, run, static_model, tmp_path):
    command = ("train", "ann/tiny", "--config", "bm25", "--model", static_model, "--out", tmp_path / "model")
    assert "try again" in run(*command, code=3, HF_ENDPOINT="http://127.0.0.1:9").stderr
    try:
        hub.fail("status", "bm25/train", status=500, times=1000)
        home = {"HF_HOME": str(tmp_path / "other")}
        assert "can't be fetched from the Hub" in run(*command, code=3, **home).stderr
    finally:
        hub.faults.clear()
