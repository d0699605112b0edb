"""Every command answers --help and stands in the docs; plan and doctor as a user runs them."""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest

from hnhub.cli import COMMANDS, cli
from hnhub.cli.help import Command
from hnhub.cli.options import BUILD_GROUPS
from llm_servers.scripted import Scripted
from small_corpus import write_corpus

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help, f"{name} says nothing of itself"
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, f"{name} {parameter.name} has no help"


def _every() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", found) for inner, found in command.commands.items())
        else:
            yield name, command


@pytest.mark.parametrize(("name", "command"), list(_every()))
def test_every_commands_examples_are_commands(name: str, command: click.Command) -> None:
    assert isinstance(command, Command)
    assert command.examples
    for example in command.examples:
        program, *words = shlex.split(example, comments=True)
        assert program == "hnhub"
        assert " ".join(words[: name.count(" ") + 1]) == name
        with suppress(FileNotFoundError):
            make_context(command, name, words[name.count(" ") + 1 :])


def make_context(command: click.Command, name: str, words: list[str]) -> None:
    """As `make_context`, but a file that is not here is a FileNotFoundError."""
    try:
        command.make_context(name, words)
    except click.BadParameter as error:
        raise FileNotFoundError(error.message) if "does not exist" in error.message else error from None


def test_a_wrong_word_gets_a_guess(hnhub: Run) -> None:
    for words, guess in (
        (["biuld"], "did you mean 'build'?"),
        (["build", "scifact", "--negative", "3"], "--negatives"),
        (["build", "scifact", "--method", "bm26"], "Did you mean 'bm25'?"),
        (["build", "scifcat", "--method", "bm25"], "did you mean scifact"),
    ):
        done = hnhub(*words)
        assert done.returncode == 2
        assert guess in done.stderr, done.stderr


def test_build_of_nothing_says_what_is_common(hnhub: Run) -> None:
    done = hnhub("build")
    assert done.returncode == 2
    assert done.stderr.count("  hnhub build ") == 3


def test_build_shows_its_options_in_groups(hnhub: Run) -> None:
    text = hnhub("build", "--help").stdout
    places = [text.index(f"\n{heading}:") for heading in BUILD_GROUPS if heading != "Corpus"]
    assert places == sorted(places)
    assert "\nMore:" in text[places[-1] :]  # --help, and what has no group
    assert text.index("--method") < text.index("--depth") < text.index("--ray-address")


def test_plan_tells_what_is_done_and_what_is_to_do(tmp_path: Path, hnhub: Run) -> None:
    corpus = write_corpus(tmp_path / "made")
    options = [
        "made",
        "--corpus-dir",
        corpus,
        "--method",
        "bm25",
        "--queries-from",
        "qrels",
        "--negatives",
        2,
        "--out",
        tmp_path,
    ]
    before = hnhub("plan", *options, "--json")
    assert before.returncode == 0, before.stderr
    assert {step["state"] for step in json.loads(before.stdout)["steps"]} == {"to do"}
    assert not (tmp_path / "made" / "corpus" / "stage.json").exists()

    assert hnhub("build", *options).returncode == 0
    after = json.loads(hnhub("plan", *options, "--json").stdout)
    assert {step["state"] for step in after["steps"]} == {"done"}
    assert after["documents"] == 300

    other = json.loads(hnhub("plan", *options, "--depth", 50, "--json").stdout)
    states = {step["stage"]: step["state"] for step in other["steps"]}
    assert states["queries"] == "done"
    assert states["candidates/bm25"] == states["dataset"] == "to do"
    assert next(step for step in other["steps"] if step["stage"] == "candidates/bm25")["seconds"] > 0


def test_plan_estimates_requests_tokens_and_cost(tmp_path: Path, hnhub: Run) -> None:
    corpus = write_corpus(tmp_path / "made")
    options = ["made", "--corpus-dir", corpus, "--method", "llm", "--queries", 40, "--negatives", 2, "--out", tmp_path]
    result = hnhub("plan", *options, "--price", 1, 2)
    assert result.returncode == 0, result.stderr
    listed = tmp_path / "prices.json"
    listed.write_text(json.dumps({"HuggingFaceTB/SmolLM2-135M-Instruct": {"input": 1, "output": 2}}))
    steps = json.loads(hnhub("plan", *options, "--prices", listed, "--json").stdout)
    asked = {step["stage"]: step["requests"] for step in steps["steps"]}
    assert asked["queries"] == 50
    assert asked["candidates/llm"] == 80
    assert steps["cost"] > 0
    assert f"cost at most {steps['cost']:,.2f} at 1 and 2 a million tokens" in result.stdout


def test_doctor_says_what_is_there(hnhub: Run) -> None:
    result = hnhub("doctor", "--json", "--endpoint", "http://127.0.0.1:9", HF_TOKEN="")
    assert result.returncode == 0, result.stderr
    findings = json.loads(result.stdout)
    assert findings["extra models"] == "installed"
    assert "extra ray" in findings
    assert findings["hub"].startswith("no token")
    assert "127.0.0.1:9" in findings["endpoint http://127.0.0.1:9"]


def test_an_error_keeps_its_code_under_debug(hnhub: Run, tmp_path: Path) -> None:
    for debug in ([], ["--debug"]):
        result = hnhub(*debug, "validate", tmp_path)
        assert result.returncode == 2
        assert ("Traceback" in result.stderr) == bool(debug)


def test_a_servers_words_do_nothing_to_the_terminal(hnhub: Run, tmp_path: Path) -> None:
    with Scripted(models=("tiny\x1b[2J",)) as server:
        result = hnhub(
            "build", "pydocs", "--method", "llm", "--model", "x", "--endpoint", server.url, "--out", tmp_path
        )
    assert result.returncode == 3
    (error,) = (line for line in result.stderr.splitlines() if "is not served here" in line)
    assert r"but tiny\x1b[2J" in error
    assert "\x1b" not in result.stderr


def test_what_nobody_foresaw_is_one_line_and_no_broken_rule(hnhub: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = hnhub("journal", "stats", "--journal", tmp_path / "file" / "j.sqlite", HNHUB_HOME=tmp_path)
    assert result.returncode == 2
    home = tmp_path / "file" / "home"  # below a file, where nothing can be kept
    options = ["pydocs", "--method", "bm25", "--queries-from", "qrels", "--out", tmp_path / "runs"]
    result = hnhub("build", *options, HNHUB_HOME=home)
    assert result.returncode == 2
    *made, last = result.stderr.splitlines()
    assert last.startswith("hnhub: NotADirectoryError")
    assert "Traceback" not in result.stderr
    assert all(not line.startswith("hnhub:") for line in made)
