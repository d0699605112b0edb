"""A path at which nothing lies is said to be missing by every command that takes one, and the Hub is not asked."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from hnhub.cli import cli
from hnhub.errors import InputError


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("mine nosuch.jsonl", "file: nosuch.jsonl"),
        ("build nosuch.jsonl --method bm25", "file: nosuch.jsonl"),
        ("build ./nodir --method bm25", "folder: ./nodir"),
        ("evaluate bm25 --corpus ./nodir", "folder: ./nodir"),
        ("view nosuch", "folder: nosuch"),
        ("validate nosuch", "folder: nosuch"),
        ("audit nosuch/", "folder: nosuch/"),
        ("export nosuch --to pylate --out out", "folder: nosuch"),
        ("train runs/x/dataset --config bm25 --model a/b --out out", "folder: runs/x/dataset"),
        ("compare nosuch.toml", "file: nosuch.toml"),
    ],
)
def test_what_is_not_there_is_said_at_once(
    line: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"^no such {what}; "):
        CliRunner().invoke(cli, line.split(), catch_exceptions=False)
    assert not any(tmp_path.iterdir())
