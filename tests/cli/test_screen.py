"""Commands on a real terminal of several widths, and what they print elsewhere."""

import io
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hnhub.cli.side_by_side import Query, print_queries
from hnhub.corpus.catalog import CATALOG
from hnhub.progress.terminal import open_console
from small_run import make_dataset
from terminals import Terminal, run_in_terminal

HNHUB = [sys.executable, "-m", "hnhub"]
BUILD = ["build", "pydocs", "--method", "bm25", "--queries-from", "qrels", "--negatives", "2", "--out"]
SEVERAL = """
import shlex, sys
from hnhub.cli import cli
for command in sys.argv[1:]:
    print("$", command)
    try:
        cli.main(shlex.split(command), standalone_mode=False)
    except SystemExit: pass
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def built(runs: Path, home: Path) -> Terminal:
    """The screen of a build, 80 columns wide."""
    code, terminal = run_in_terminal([*HNHUB, *BUILD, runs], environment={"HNHUB_HOME": str(home)})
    assert code == 0, terminal.text
    return terminal


@pytest.fixture(scope="module")
def documents(built: Terminal) -> str:
    """How many the screen said: every version of Python has other topics."""
    (found,) = re.findall(r"(\d{3}) documents", built.lines[0])
    return str(found)


def test_a_build_shows_every_stage_and_sums_up(built: Terminal) -> None:
    stages = ["corpus", "queries", "candidates/bm25", "negatives/bm25", "dataset"]
    assert [line.split()[1] for line in built.lines[:5]] == stages
    assert all(line.startswith("✓ ") and line.endswith(" s") and len(line) == 80 for line in built.lines[:5])
    assert built.lines[5].startswith("5 stages, 396 rows, 1 dropped, ")
    waiting = [frame for frame in built.frames if frame and frame[-1].strip() == "dataset"]  # an earlier one is at work
    assert stages in [[word for line in frame for word in line.split()[:2] if word in stages] for frame in waiting]
    assert built.lines[-3:] == [
        "",
        "dropped in      method  reason    count",
        "negatives/bm25  bm25    relevant      1",
    ]
    assert built.is_clean


def test_a_build_without_colour_and_one_without_a_real_terminal(
    built: Terminal, documents: str, runs: Path, home: Path
) -> None:
    _, plain = run_in_terminal([*HNHUB, *BUILD, runs], environment={"HNHUB_HOME": str(home), "NO_COLOR": "1"})
    assert built.colours
    assert not plain.colours
    assert plain.lines[0].endswith(" there")
    dumb_home = {"HNHUB_HOME": str(home), "TERM": "dumb"}
    _, dumb = run_in_terminal([*HNHUB, *BUILD, runs], environment=dumb_home, columns=100)
    assert b"\x1b" not in dumb.raw
    assert dumb.lines[0].split() == ["corpus", *[documents, "documents,", "102", "qrels,", "95", "queries", "there"]]
    assert "rows" in dumb.lines  # the plain report


def test_control_c_ends_a_build_with_one_line(tmp_path: Path, home: Path) -> None:
    code, terminal = run_in_terminal(
        [*HNHUB, *BUILD, tmp_path],
        environment={"HNHUB_HOME": str(home)},
        react=lambda terminal, keys, _: "  queries" in terminal.text and bool(keys(b"\x03")),
    )
    assert code == 130
    assert " ".join(terminal.lines[-2:]).endswith(
        "interrupted; what was made is kept, the same command goes on from it"
    )
    assert "  queries" not in terminal.text
    assert terminal.is_clean


def test_an_error_of_a_build_is_its_last_line(built: Terminal, runs: Path, tmp_path: Path, home: Path) -> None:
    del built
    shutil.copytree(runs, tmp_path / "runs")
    code, terminal = run_in_terminal(
        [
            *HNHUB,
            *BUILD,
            tmp_path / "runs",
            "--depth",
            "2",
            "--rank-min",
            "1",
            "--on-shortfall",
            "fail",
            "--max-percent",
            "0.1",
        ],
        environment={"HNHUB_HOME": str(home)},
        columns=200,
    )
    assert code == 1, terminal.text
    assert terminal.lines[-1].startswith("hnhub: bm25: query ")
    assert "✓ candidates/bm25" in terminal.text
    assert "  dataset" not in terminal.text
    assert terminal.is_clean


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_dataset(tmp_path_factory.mktemp("run"))
    (folder / "[red]x.txt").write_text("mine")
    return folder


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_tables_fit_and_nothing_is_cut(columns: int, documents: str, runs: Path, broken: Path, home: Path) -> None:
    commands = [
        "corpora",
        "corpora scifact",
        f"plan pydocs --method bm25 --queries-from qrels --negatives 2 --out {runs}",
        f"show {runs}/pydocs/dataset --rows 1",
        f"validate {broken}",
        *(["doctor"] if columns == 60 else []),  # it imports torch
    ]
    code, terminal = run_in_terminal(
        [sys.executable, "-c", SEVERAL, *commands],
        columns=columns,
        rows=60,
        environment={"HNHUB_HOME": str(home), "HF_TOKEN": ""},
    )
    assert code == 0, terminal.text
    at = [
        terminal.lines.index(next(line for line in terminal.lines if line.startswith(f"$ {command[:12]}")))
        for command in commands
    ]
    catalog, scifact, plan, show, validate, *doctor = (
        " ".join(" ".join(terminal.lines[start:end]).split()) for start, end in zip(at, [*at[1:], None], strict=True)
    )
    for spec in CATALOG.values():
        for word in (spec.name, f"{spec.documents:,}" if spec.documents else "", spec.licence, spec.family):
            assert word in catalog
        if spec.bm25:
            assert f"{spec.bm25['flat']['nDCG@10']:.4f}" in catalog
    assert CATALOG["scifact"].revision in scifact.replace(" ", "")
    assert "candidates/bm25 done" in plan
    assert f"{documents} documents, 38 queries" in plan
    assert "bm25 1: " in show
    assert "listed [red]x.txt is not in the manifest" in validate
    assert not doctor or "no token for the Hub: run `hf auth login`, or set HF_TOKEN" in doctor[0]


def test_a_wide_table_has_a_line_a_row_and_a_narrow_one_names_what_stands_below() -> None:
    _, wide = run_in_terminal([*HNHUB, "corpora"], columns=200, rows=60)
    assert len(wide.lines) == len(CATALOG) + 1
    _, narrow = run_in_terminal([*HNHUB, "corpora"], columns=60, rows=60)
    at = next(number for number, line in enumerate(narrow.lines) if line.startswith("scifact"))
    assert narrow.lines[at].split() == ["scifact", "5,183", "809", "300"]
    assert narrow.lines[at + 1] == "  licence cc-by-nc-4.0, publish yes, family claim,"
    assert narrow.lines[at + 2].startswith("  BM25 0.6789, from ")


def test_in_a_pipe_it_is_plain_whatever_the_terminal_and_the_colours() -> None:
    command = [*HNHUB, "corpora"]
    dumb = run_in_terminal(command, columns=300, rows=60, environment={"TERM": "dumb"})[1]
    piped = subprocess.run(
        command, capture_output=True, check=True, env={"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "TERM": "xterm"}
    )
    assert dumb.raw.replace(b"\r\n", b"\n") == piped.stdout
    assert b"\x1b" not in piped.stdout
    code = "import sys; from hnhub.cli import cli; cli.main(['corpora'], standalone_mode=False); print('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.endswith(b"\nFalse\n")


def test_hostile_texts_are_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "[red]x[/red] \x1b[2J\x1b]0;owned\x07 :smile: \x9b31m \u202eabc [/] [link=http://x]y"
    query = Query("[bold]q", hostile, "[/bold]d1", None, {"bm25": [(f"1: {hostile}", f"{hostile} 長い文 " * 30)]})
    terminal = Terminal(80, 40)

    class Stream:
        encoding = "utf-8"

        def write(self, text: str) -> None:
            terminal.feed(text.replace("\n", "\r\n").encode())

        def flush(self) -> None: ...

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    print_queries(open_console(Stream()), [query])  # type: ignore[arg-type]
    text = " ".join(terminal.text.split())
    assert r"[red]x[/red] \x1b[2J\x1b]0;owned\x07 :smile: \x9b31m \u202eabc [/] [link=http://x]y" in text
    assert "[bold]q" in text
    assert "positive [/bold]d1" in text
    assert "(the text is not published)" in text
    assert terminal.lines[-2].endswith(" ...") or terminal.lines[-1].endswith(" ...")
    assert not terminal.colours & {"31"}


def test_what_an_encoding_lacks_is_shown_all_the_same(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, terminal = run_in_terminal([*HNHUB, "show", dataset, "--rows", "1"], environment=ascii_only)
    assert code == 0, terminal.text
    assert r"\xfcnlike the other" in " ".join(terminal.text.split())


def test_a_long_text_is_cut_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    stream = io.StringIO()
    console = open_console(stream)
    print_queries(console, [Query("q", "short", "d1", "somewhat longer words " * 40, {"bm25": [("1: d2", "x" * 900)]})])
    cut = [
        line for line in re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines() if line.rstrip().endswith(" ...")
    ]
    assert [line.split()[-2] in ("somewhat", "longer", "words") for line in cut] == [True, False]
    assert all(len(line) <= 60 for line in cut)


def test_a_killed_command_leaves_the_cursor(tmp_path: Path, home: Path) -> None:
    code, terminal = run_in_terminal(
        [*HNHUB, *BUILD, tmp_path],
        environment={"HNHUB_HOME": str(home)},
        react=lambda terminal, _, process: "  queries" in terminal.text and process.send_signal(signal.SIGTERM) is None,
    )
    assert code == -signal.SIGTERM
    assert terminal.is_clean
