"""Where a training is told of elsewhere: refused early when it can't be, a run each, nothing of it on stdout."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from hnhub.encode.models import resolve
from hnhub.errors import UsageError
from hnhub.learn.options import settings_for
from hnhub.learn.train import train_stage
from hnhub.learn.trainer import fit
from hnhub.learn.training_data import load_training_data

NO_TRACKIO = pytest.mark.skipif(importlib.util.find_spec("trackio") is not None, reason="trackio is installed")

# Twice with another seed, then the first again: it is there, so nothing is trained.
TRAIN = """
import sys
from pathlib import Path
from hnhub.encode.models import resolve
from hnhub.learn.options import settings_for
from hnhub.learn.train import train_stage
from hnhub.learn.training_data import load_training_data
dataset, model, out = sys.argv[1:]
data = load_training_data(dataset, "bm25", limit=16)
for seed in (0, 1, 0):
    settings = settings_for(model, seed=seed, batch=8, epochs=1, reporter="trackio")
    train_stage(Path(out) / f"seed-{seed}", data, resolve(model), settings)
"""


@pytest.mark.parametrize(
    ("reporter", "message"),
    [
        ("dvclive", "the reporter dvclive is not installed; pip install dvclive, or use another --reporter"),
        pytest.param("trackio", "the reporter trackio is not installed; pip install trackio, or use", marks=NO_TRACKIO),
        ("paper", "no reporter 'paper'; use one of: none, all, .*tensorboard, trackio, wandb"),
    ],
)
def test_a_reporter_that_is_not_there_is_refused_before_work(make_dataset, static_model, tmp_path, reporter, message):
    data = load_training_data(str(make_dataset()), "bm25", limit=8)
    with pytest.raises(UsageError, match=message):
        train_stage(tmp_path / "model", data, resolve(static_model), settings_for(static_model, reporter=reporter))
    assert not (tmp_path / ".work").exists()


def test_what_reporters_print_is_not_on_stdout(capsys, tmp_path):
    class Talking:
        def train(self, resume_from_checkpoint):
            print("* run created", resume_from_checkpoint)

    fit(Talking(), tmp_path)
    assert capsys.readouterr() == ("", "* run created None\n")


def test_trackio_holds_a_run_of_each_training(make_dataset, static_model, tmp_path):
    pytest.importorskip("trackio")

    def run(*command: str) -> str:
        environment = {**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=True).stdout

    def trackio(*words: str) -> dict:
        return json.loads(run(sys.executable, "-c", "from trackio.cli import main; main()", *words, "--json"))

    assert run(sys.executable, "-c", TRAIN, str(make_dataset()), static_model, str(tmp_path / "models")) == ""
    runs = trackio("list", "runs", "--project", "hnhub")["runs"]
    assert sorted(name.rpartition("-")[0] for name in runs) == ["things bm25 seed-0", "things bm25 seed-1"]
    loss = trackio("get", "metric", "--project", "hnhub", "--run", runs[0], "--metric", "train/loss")
    told = json.loads((tmp_path / f"models/{runs[0].split()[-1].rpartition('-')[0]}/training.json").read_text())
    assert [row["value"] for row in loss["values"]] == [row["loss"] for row in told["history"] if "loss" in row]
