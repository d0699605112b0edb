"""What README and docs show runs: Python blocks in one process a page, command lines through the parser, the notebook."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from hnhub.cli import COMMANDS, cli
from notebook import notebook

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


# As a notebook does it: the last expression of a cell is shown, as HTML where it can be.
CELLS = """
import ast, json, sys
names = {}
for code in json.load(open(sys.argv[1])):
    *lines, last = ast.parse(code).body
    if not isinstance(last, ast.Expr):
        lines, last = [*lines, last], None
    exec(compile(ast.Module(lines, []), "cell", "exec"), names)
    if last is not None:
        shown = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        if shown is not None:
            print(getattr(shown, "_repr_html_", shown.__repr__)())
"""


def run_notebook(text: str, folder: Path) -> str:
    """What the notebook's cells print, run in one process in an empty folder without the network."""
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    (folder / "cells.json").write_text(json.dumps(["".join(cell["source"]) for cell in cells]))
    environment = {
        **os.environ, "HNHUB_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT / "src"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", CELLS, "cells.json"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_notebook_is_the_page_and_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    text = (ROOT / "docs" / "quickstart.ipynb").read_text(encoding="utf-8")
    assert text == notebook(page), "run `make docs`"
    printed = run_notebook(text, tmp_path)
    assert "did you mean 'sampling'?" in printed
    assert "rows by bm25" in printed


def test_the_example_prints_what_it_shows(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "documents-to-dataset.ipynb").read_text(encoding="utf-8")
    outputs = [output for cell in json.loads(text)["cells"] for output in cell.get("outputs", [])]
    assert {output["name"] for output in outputs} == {"stdout"}
    assert run_notebook(text, tmp_path) == "".join(line for output in outputs for line in output["text"])


def test_python_blocks_are_python() -> None:
    for page in PAGES:
        for block in blocks(page, "python"):
            compile(block, page.name, "exec")


def commands(page: Path) -> list[list[str]]:
    """The `hnhub` commands in a page's shell blocks and indented lines."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(
        r"^ {4}(hnhub .*)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return [shlex.split(line, comments=True) for line in lines if line.startswith("hnhub ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_shown_are_commands(page: Path) -> None:
    for _, name, *given in commands(page):
        command: click.Command | None = cli.get_command(click.Context(cli), name)
        assert command is not None, f"{page.name}: hnhub {name}; known are {', '.join(COMMANDS)}"
        words = [word for word in given if word != "..."]
        if isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        if "PLAN.toml" in words or any(word.isupper() and word.isalpha() for word in words):
            continue  # a pattern, no example
        try:
            command.make_context(name, words)
        except click.BadParameter as error:
            assert "does not exist" in error.message, f"{page.name}: {name} {words}: {error.message}"  # noqa: PT017
