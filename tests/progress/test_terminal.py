"""Progress as it stands on a terminal: shown, wiped, and clean after whatever ends it."""

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from terminals import Terminal, run_in_terminal

BUILD = """
import logging, sys, time
from hnhub import progress
from hnhub.progress import Event
logging.basicConfig(format="%(levelname).1s %(message)s")

def build(wait=0.0, fail=None):
    progress.tell(Event("stages", 0, 3, stages=("corpus", "candidates/[red]x[/red]", "dataset")))
    progress.tell(Event("467 documents\\x1b[2J", 467, 467, "corpus", state="made", seconds=1.5))
    with progress.in_stage("candidates/[red]x[/red]"):
        progress.report("[red]en\\x1b[31mcoding[/red] :smile:", 0, 2000, unit="texts")
        for done in range(1, 6):
            time.sleep(0.1 + wait + 0.7 * (done == 5))  # so that what stands there before is drawn
            progress.count(tokens=1000, cost=0.01, failures=1)
            progress.report("[red]en\\x1b[31mcoding[/red] :smile:", 200 * done, 2000, unit="texts", dropped={"x": done})
            if done == 2:
                logging.getLogger("hnhub").warning("a [bold]word[/bold] between")
        if fail:
            raise ValueError(fail)
    progress.tell(Event("1,000 candidates", 1000, 1000, "candidates/[red]x[/red]", state="made", seconds=0.7))

with progress.display(lasting="last" in sys.argv) as show, progress.listening(show):
    build(wait=60 if "wait" in sys.argv else 0, fail="no more" if "fail" in sys.argv else None)
"""


@pytest.fixture(scope="module")
def lasting() -> Terminal:
    code, terminal = shown("last")
    assert code == 0
    return terminal


def shown(*arguments: str, **options: object) -> tuple[int, Terminal]:
    return run_in_terminal([sys.executable, "-c", BUILD, *arguments], **options)  # type: ignore[arg-type]


def test_stages_stand_below_each_other_and_the_one_at_work_tells_how_far_it_is(lasting: Terminal) -> None:
    (frame,) = [frame for frame in lasting.frames if any("800 of 2,000" in line for line in frame)][-1:]
    text = "\n".join(frame)
    assert "✓ corpus                  467 documents\\x1b[2J                             1.5 s" in frame
    assert "  dataset" in frame
    assert "candidates/[red]x[/red]" in text
    assert "[red]en\\x1b[31mcoding[/red] :smile:" in text
    assert " 40% " in text
    assert " left" in text
    assert "800 of 2,000 texts (" in text
    assert "4,000 tokens (" in text
    for figure in ("cost 0.0400", "4 not parsed", "4 dropped"):
        assert figure in text
    assert "31" not in lasting.colours


def test_messages_go_above_and_lasting_lines_stay(lasting: Terminal) -> None:
    assert [line.split()[0] for line in lasting.lines] == ["✓", "W", "✓"]
    assert lasting.lines[1] == "W a [bold]word[/bold] between"
    assert lasting.is_clean


def test_of_what_shows_by_itself_only_messages_stay() -> None:
    _, terminal = shown()
    assert any("467 documents" in line for frame in terminal.frames for line in frame)
    assert terminal.lines == ["W a [bold]word[/bold] between"]
    assert terminal.is_clean


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_no_line_is_broken_at_any_width(columns: int) -> None:
    _, terminal = shown("last", columns=columns)
    assert max(len(line) for frame in terminal.frames for line in frame) <= columns
    joined = "".join("".join(frame) for frame in terminal.frames)
    assert "dataset" in joined
    assert [line[0] for line in terminal.lines if line[0] != " "] == ["✓", "W", "✓"]  # what moved left nothing behind
    assert terminal.is_clean


def test_an_error_is_the_last_thing_on_the_screen() -> None:
    code, terminal = shown("last", "fail")
    assert code == 1
    assert terminal.lines[-1] == "ValueError: no more"
    assert not any("dataset" in line or "left" in line for line in terminal.lines)
    assert terminal.is_clean


TALL = """
import time
from hnhub import progress
from hnhub.progress import Event
names = tuple(f"candidates/m{number}" for number in range(12))
with progress.display(lasting=True) as show, progress.listening(show):
    progress.tell(Event("stages", 0, 12, stages=names))
    for name in names:
        time.sleep(0.1)
        progress.tell(Event("3 rows", 3, 3, name, state="made", seconds=0.1))
"""


@pytest.mark.parametrize("rows", [5, 10])
def test_more_stages_than_the_terminal_has_lines(rows: int) -> None:
    code, terminal = run_in_terminal([sys.executable, "-c", TALL], rows=rows)
    assert code == 0
    assert any(line.endswith(" more to come") for frame in terminal.frames for line in frame)
    assert [line.split()[:2] for line in terminal.lines] == [["✓", f"candidates/m{number}"] for number in range(12)]
    assert terminal.is_clean


MANY = TALL.replace("12", "100").replace("time.sleep(0.1)", "progress.tell(Event('some', 1, 3, name, state='working'))")
OFTEN = "import hnhub.progress.terminal as terminal; terminal._REFRESH = 300\n"


def test_no_finished_line_is_wiped_by_a_redrawing_beside_it() -> None:
    code, terminal = run_in_terminal([sys.executable, "-c", OFTEN + MANY], rows=10)
    assert code == 0
    assert [line.split()[1] for line in terminal.lines] == [f"candidates/m{number}" for number in range(100)]


def when_working(act: Callable[[Callable[[bytes], int], subprocess.Popen[bytes]], object]) -> Callable[..., bool]:
    def react(terminal: Terminal, keys: Callable[[bytes], int], process: subprocess.Popen[bytes]) -> bool:
        if "0 of 2,000" not in terminal.text:
            return False
        act(keys, process)
        return True

    return react


def test_after_control_c_the_terminal_is_clean() -> None:
    code, terminal = shown("last", "wait", react=when_working(lambda keys, _: keys(b"\x03")))
    assert code in (1, -signal.SIGINT)
    assert terminal.lines[-1] == "KeyboardInterrupt"
    assert "dataset" not in terminal.text
    assert terminal.is_clean


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_after_a_kill_the_cursor_is_there_on_a_line_of_its_own(by: signal.Signals) -> None:
    code, terminal = shown("last", "wait", react=when_working(lambda _, process: process.send_signal(by)))
    assert code == -by
    assert terminal.is_clean


def test_without_colour_there_is_none(lasting: Terminal) -> None:
    _, plain = shown("last", environment={"NO_COLOR": "1"})
    assert lasting.colours
    assert not plain.colours
    assert plain.lines == lasting.lines


@pytest.mark.parametrize(
    "environment", [{"TERM": "dumb"}, {"TERM": ""}, {"JPY_PARENT_PID": "1"}], ids=["dumb", "unset", "notebook"]
)
def test_where_lines_can_not_be_rewritten_nothing_shows(environment: dict[str, str]) -> None:
    code = "from hnhub import progress\nwith progress.display() as show: print(show)"
    _, terminal = run_in_terminal([sys.executable, "-c", code], environment=environment)
    assert terminal.raw == b"None\r\n"


def test_rich_is_imported_only_where_something_shows() -> None:
    code = (
        "import sys\nfrom hnhub import progress\n"
        "with progress.showing():\n    progress.report('x', 1)\n"
        "assert 'rich' not in sys.modules, 'rich'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.PIPE, timeout=60)
