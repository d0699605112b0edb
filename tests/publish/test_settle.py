"""A finished dataset's card written again by a process that is killed: the dataset is as before or as after."""

import json
from pathlib import Path
from typing import Any

import pytest

from hnhub.publish.finish import rewrite_card
from hnhub.publish.push_plan import read_folder
from hnhub.rows.validate import validate
from small_corpus import content
from small_run import make_dataset


class Killed(BaseException):
    """Nothing catches it."""


def test_killed_at_any_moment_it_is_the_old_dataset_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_dataset(tmp_path, publish_text=False)  # without plots, which take long to draw
    facts = json.loads((folder / "stats.json").read_text())
    old = {"layout": "x", "method": "bm25", "says": "", "read": "", "lines": {"a": 1}, "files": ["exports/x/old.tsv"]}
    rewrite_card(folder, {**facts, "exports": [old]}, added={"exports/x/old.tsv": b"old"})
    before = content(folder)

    def write(edition: str) -> None:
        new = {**old, "files": ["exports/x/new.tsv"]}
        rewrite_card(
            folder, {**facts, "version": edition, "exports": [new]}, added={"exports/x/new.tsv": edition.encode()}
        )

    left = 0

    def counted(real: Any) -> Any:
        def step(*given: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            return real(*given, **more)

        return step

    for name in ("replace", "rename", "unlink"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))

    steps, seen = 0, set()
    while True:
        left = steps = steps + 1
        try:
            write(f"{steps}.0.0")
            break
        except Killed:
            left = 0
        found = read_folder(folder)
        assert not list(validate(folder))
        version = json.loads((folder / "stats.json").read_text())["version"]
        seen.add(version == f"{steps}.0.0")
        if content(folder) != before:
            assert {name for name in found.files if name.startswith("exports/")} == {"exports/x/new.tsv"}
            assert not (folder / "exports" / "x" / "old.tsv").exists()
    assert seen == {True, False}
    assert steps > 10


def test_what_a_killed_process_had_begun_is_no_part_of_the_dataset(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path)
    (folder / ".rewrite.tmp" / "plots").mkdir(parents=True)
    (folder / ".rewrite.tmp" / "plots" / "half.png").write_bytes(b"half")
    assert not list(validate(folder))
    assert not [name for name in read_folder(folder).files if "half" in name]
    rewrite_card(folder, json.loads((folder / "stats.json").read_text()))
    assert not (folder / ".rewrite.tmp").exists()
