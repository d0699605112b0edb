"""Stages: made once, resumed, never half there."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.errors import InputError, UsageError
from hnhub.stages import (
    canonical_json,
    fingerprint,
    finished,
    lock,
    read_record,
    run_stage,
    waiting_lock,
    write_atomically,
)


def write(text: str):
    def make(out: Path, work: Path) -> dict:
        (out / "data.txt").write_text(text)
        return {"length": len(text)}

    return make


def never(out: Path, work: Path) -> dict:
    raise AssertionError("the stage was made again")


def test_a_finished_stage_is_not_made_again(tmp_path: Path) -> None:
    first = run_stage(tmp_path / "stage", {"a": 1}, write("one"))
    again = run_stage(tmp_path / "stage", {"a": 1}, never)
    assert again == first == read_record(tmp_path / "stage" / "stage.json")
    assert first.facts == {"length": 3}
    assert not list((tmp_path / ".work").iterdir())


def test_other_parts_make_it_again(tmp_path: Path) -> None:
    run_stage(tmp_path / "stage", {"a": 1}, write("one"))
    assert finished(tmp_path / "stage", {"a": 2}) is None
    record = run_stage(tmp_path / "stage", {"a": 2}, write("other"))
    assert (tmp_path / "stage" / "data.txt").read_text() == "other"
    assert record.facts == {"length": 5}


def test_an_error_leaves_the_old_stage_and_the_partial_work(tmp_path: Path) -> None:
    run_stage(tmp_path / "stage", {"a": 1}, write("one"))

    def fail(out: Path, work: Path) -> dict:
        (work / "partial").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run_stage(tmp_path / "stage", {"a": 2}, fail)
    assert (tmp_path / "stage" / "data.txt").read_text() == "one"

    def resume(out: Path, work: Path) -> dict:
        assert not list(out.iterdir())
        (out / "data.txt").write_text((work / "partial").read_text())
        return {}

    run_stage(tmp_path / "stage", {"a": 2}, resume)
    assert (tmp_path / "stage" / "data.txt").read_text() == "half"


@pytest.mark.parametrize("damage", ["changed", "truncated", "lost"])
def test_a_damaged_file_is_noticed(tmp_path: Path, damage: str) -> None:
    run_stage(tmp_path / "stage", {"a": 1}, write("one"))
    path = tmp_path / "stage" / "data.txt"
    {"changed": lambda: path.write_text("two"), "truncated": lambda: path.write_text("o"), "lost": path.unlink}[
        damage
    ]()
    with pytest.raises(InputError, match=r"data\.txt.*delete"):
        run_stage(tmp_path / "stage", {"a": 1}, never)


def test_a_folder_without_a_record_is_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "data.txt").write_text("mine")
    record = run_stage(tmp_path / "stage", {"a": 1}, never)
    assert record.fingerprint == "user"
    assert set(record.files) == {"data.txt"}


def test_a_broken_file_of_the_users_is_named(tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "queries.parquet").write_text("no Parquet")
    with pytest.raises(InputError, match=r"stage/queries\.parquet: can't be read as Parquet"):
        finished(tmp_path / "stage", {"a": 1})


def test_a_run_folder_can_be_moved(tmp_path: Path) -> None:
    run_stage(tmp_path / "here" / "stage", {"a": 1}, write("one"))
    (tmp_path / "here").rename(tmp_path / "there")
    assert run_stage(tmp_path / "there" / "stage", {"a": 1}, never).facts == {"length": 3}


def test_a_second_build_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    code = f"import pathlib, hnhub.stages as s\nwith s.lock(pathlib.Path({str(tmp_path)!r})): print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=f"process {other.pid}"), lock(tmp_path):
            pass
        other.send_signal(signal.SIGKILL)
    with lock(tmp_path):  # a killed holder holds nothing
        pass


def test_who_waits_says_for_whom(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = "import sys, time; from pathlib import Path; from hnhub.stages import waiting_lock\n"
    program += "with waiting_lock(Path(sys.argv[1]), 'index'): print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        threading.Timer(0.2, holder.stdin.close).start()
        with waiting_lock(tmp_path, "index"):
            said = [record.getMessage() for record in caplog.records]
    assert said == [f"{tmp_path / 'index'}: process {holder.pid} is at work on it; waiting for that"]
    with waiting_lock(tmp_path, "index"):
        assert len(caplog.records) == 1


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.06, 0.1])
def test_killed_at_any_moment_a_stage_is_there_or_not(tmp_path: Path, delay: float) -> None:
    code = textwrap.dedent(f"""
        import pathlib, time
        from hnhub.stages import run_stage
        folder = pathlib.Path({str(tmp_path)!r})
        def make(out, work):
            for i in range(30):
                (out / f"{{i}}.txt").write_text(str(i))
                time.sleep(0.002)
            return {{"n": 30}}
        print("go", flush=True)
        run_stage(folder / "stage", {{"a": 1}}, make)
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "go\n"
        import time

        time.sleep(delay)
        os.kill(child.pid, signal.SIGKILL)
    record = finished(tmp_path / "stage", {"a": 1})
    assert record is None or len(record.files) == 30
    assert (tmp_path / "stage").exists() == (record is not None)


def test_write_atomically_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "file", "one")
    write_atomically(tmp_path / "a" / "file", b"two")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]
    assert (tmp_path / "a" / "file").read_bytes() == b"two"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON))
def test_fingerprint_does_not_depend_on_the_order_of_keys(parts: dict) -> None:
    assert fingerprint(parts) == fingerprint(dict(reversed(parts.items())))
    assert canonical_json(parts).encode("utf-8", "surrogatepass")


def test_stale_work_of_other_parts_goes_and_nothing_else(tmp_path: Path) -> None:
    def fail(out: Path, work: Path) -> dict:
        (work / "partial").write_text("half")
        raise RuntimeError

    for name, parts in (("stage", {"a": 1}), ("stage-two", {"a": 1}), ("stage", {"a": 2})):
        with pytest.raises(RuntimeError):
            run_stage(tmp_path / name, parts, fail)
    left = {path.name.rpartition("-")[0] for path in (tmp_path / ".work").iterdir()}
    assert left == {"stage", "stage-two"}
    assert len(list((tmp_path / ".work").iterdir())) == 2
    run_stage(tmp_path / "stage", {"a": 3}, write("done"))
    assert [path.name.rpartition("-")[0] for path in (tmp_path / ".work").iterdir()] == ["stage-two"]


def test_an_empty_folder_is_no_finished_stage_and_hidden_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / ".DS_Store").write_bytes(b"x")
    assert finished(tmp_path / "stage", {"a": 1}) is None
    (tmp_path / "stage" / "data.txt").write_text("the user's")
    own = finished(tmp_path / "stage", {"a": 1})
    assert own is not None
    assert own.fingerprint == "user"
    (tmp_path / "stage" / ".DS_Store").unlink()
    assert finished(tmp_path / "stage", {"a": 1}) == own
    made = run_stage(tmp_path / "other", {"a": 1}, write("one"))
    (tmp_path / "other" / ".DS_Store").write_bytes(b"x")
    again = finished(tmp_path / "other", {"a": 1})
    assert again is not None
    assert again.content == made.content
