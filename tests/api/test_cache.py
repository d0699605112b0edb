"""Every cache of HNHUB_HOME, cold, wanted by three processes at once; kills on the way; what `hnhub cache` shows and takes out."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import small_models
from hnhub.api.cache import KINDS, list_cache, prune_cache
from hnhub.cli.cache import prune
from hnhub.stages import waiting_lock
from small_corpus import write_corpus

SOURCE = str(Path(__file__).parents[2] / "src")
THREE = 3

WANTS = {
    "corpora": "hnhub.open_corpus(place / 'made').documents",
    "given": "hnhub.open_corpus({str(n): f'text {n}' for n in range(500)}, name='given').documents",
    "bm25": "hnhub.evaluate('bm25', place / 'made').measures['nDCG@10']",
    "embeddings": "hnhub.evaluate(str(place / 'model'), place / 'made').measures['nDCG@10']",
    "mined": "hnhub.mine([(f'kettle of {n}', f'kettle {n} boils {n} litres') for n in range(40)], negatives=2).rows",
    "datasets": "len(hnhub.mine(place / 'pairs.parquet', negatives=2).dataset)",
    "runs": "hnhub.build(place / 'made', name='made', methods=['bm25'], queries_from='qrels', out=f'file://{place}/out').rows",
}
"""Something of each kind, with `place` a folder that has a corpus, a model and pairs."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    write_corpus(folder / "made")
    small_models.word_vectors(folder / "model", 32)
    rows = [{"query": f"kettle of {n}", "positive": f"kettle {n} boils {n} litres"} for n in range(40)]
    pl.DataFrame(rows).write_parquet(folder / "pairs.parquet")
    return folder


def start(want: str, place: Path, home: Path) -> "subprocess.Popen[str]":
    code = f"import hnhub, pathlib; place = pathlib.Path({str(place)!r}); print({want})"
    environment = {
        **os.environ,
        "HNHUB_HOME": str(home),
        "PYTHONPATH": SOURCE,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind == "embeddings" else kind for kind in WANTS]
)
def test_three_at_once_on_a_cold_cache(kind: str, place: Path, tmp_path: Path) -> None:
    found = [
        process.communicate(timeout=200) for process in [start(WANTS[kind], place, tmp_path) for _ in range(THREE)]
    ]
    assert [errors for _, errors in found] == [""] * THREE
    assert len({printed for printed, _ in found}) == 1


@pytest.mark.parametrize("kind", ["bm25", pytest.param("embeddings", marks=pytest.mark.slow), "mined"])
def test_one_that_is_killed_neither_blocks_nor_poisons_the_next(kind: str, place: Path, tmp_path: Path) -> None:
    whole, _ = start(WANTS[kind], place, tmp_path / "whole").communicate(timeout=200)
    for wait in (0.8, 2.0):
        process = start(WANTS[kind], place, tmp_path / "home")
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    printed, errors = start(WANTS[kind], place, tmp_path / "home").communicate(timeout=200)
    assert (printed, errors) == (whole, "")
    assert not list((tmp_path / "home").glob("*/.work/*"))


@pytest.mark.slow
def test_three_evaluations_at_once_by_the_command_line(place: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "hnhub",
        "evaluate",
        "bm25",
        "--corpus",
        "made",
        "--corpus-dir",
        str(place / "made"),
    ]
    environment = {**os.environ, "HNHUB_HOME": str(tmp_path), "PYTHONPATH": SOURCE}
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(THREE)
    ]
    done = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode for process in processes] == [0] * THREE, done
    assert len({printed for printed, _ in done}) == 1


def test_what_is_there_is_shown_and_taken_out(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ", ".join(WANTS[kind] for kind in ("bm25", "embeddings", "mined"))
    _, errors = start(f"[{wanted}]", place, tmp_path).communicate(timeout=200)
    assert errors == ""
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path))
    entries = list_cache()
    assert {"corpora", "bm25", "embeddings", "mined"} <= {entry.kind for entry in entries} <= set(KINDS)
    assert all(entry.size > 0 for entry in entries)
    assert prune_cache(older_than=1) == []
    assert {entry.kind for entry in prune_cache(("bm25",), dry_run=True)} == {"bm25"}
    assert list_cache() == entries
    held = next(entry for entry in entries if entry.kind == "bm25")
    with waiting_lock(held.path.parent, held.path.name):
        gone = prune_cache()
    assert [entry for entry in entries if entry not in gone] == [held]
    assert {entry.path for entry in list_cache()} == {held.path}
    assert prune_cache() == [held]
    assert list_cache() == []


def test_what_a_killed_prune_has_left_goes_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path))
    for folder in (tmp_path / "bm25" / ".index.gone", tmp_path / "bm25" / "index"):
        folder.mkdir(parents=True)
        (folder / "terms").write_bytes(b"x")
    assert [entry.path.name for entry in prune_cache()] == ["index"]
    assert list((tmp_path / "bm25").iterdir()) == []


def test_every_kind_but_the_journal_can_be_named_to_be_taken_out() -> None:
    (kinds,) = (option.type.choices for option in prune.params if option.name == "kinds")  # type: ignore[attr-defined]
    assert set(kinds) == set(KINDS) - {"journal"}


def test_the_journal_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path))
    (tmp_path / "journal.sqlite").write_bytes(b"x" * 10)
    assert [(entry.kind, entry.size) for entry in list_cache()] == [("journal", 10)]
    assert prune_cache() == []


def test_the_command(place: Path, tmp_path: Path, hnhub: Callable[..., Any]) -> None:
    start(WANTS["corpora"], place, tmp_path).communicate(timeout=200)
    shown = hnhub("cache", HNHUB_HOME=str(tmp_path))
    assert shown.returncode == 0
    assert "corpora" in shown.stdout
    listed = json.loads(hnhub("cache", "show", "--json", HNHUB_HOME=str(tmp_path)).stdout)["entries"]
    assert [entry["kind"] for entry in listed] == ["corpora"]
    assert hnhub("cache", "prune", HNHUB_HOME=str(tmp_path)).returncode == 2
    assert "would go" in hnhub("cache", "prune", "--all", "--dry-run", HNHUB_HOME=str(tmp_path)).stdout
    assert hnhub("cache", "prune", "--all", HNHUB_HOME=str(tmp_path)).returncode == 0
    assert json.loads(hnhub("cache", "show", "--json", HNHUB_HOME=str(tmp_path)).stdout)["entries"] == []
