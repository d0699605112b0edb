"""What a shell offers at the tab key: each shell that is installed, at a terminal, as a user types."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

SET_UP = {
    "bash": (
        ["bash", "--noprofile", "--norc", "-i"],
        'bind "set bell-style none"; eval "$(_HNHUB_COMPLETE=bash_source hnhub)"',
    ),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit; compinit -u -D; eval "$(_HNHUB_COMPLETE=zsh_source hnhub)"'),
    "fish": (["fish", "--no-config", "-i"], "_HNHUB_COMPLETE=fish_source hnhub | source"),
}


def typed(shell: str, words: str, *, until: str, home: Path) -> str:
    """What stands on the terminal after the shell's set-up and `words` with a tab, as soon as `until` is there."""
    command, set_up = SET_UP[shell]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(PATH=path, HOME=str(home), TERM="dumb", PYTHONPATH=os.environ.get("PYTHONPATH", ""))
        os.execvp(command[0], command)
    seen, end, asked = "", time.monotonic() + 60, False
    try:
        os.write(terminal, f"{set_up}; echo re''ady\n".encode())
        while time.monotonic() < end and not (asked and until in seen):
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 4096).decode(errors="replace")
            if not asked and "ready" in seen.replace("re''ady", ""):
                asked, seen = True, ""
                os.write(terminal, f"{words}\t".encode())
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(terminal)
    return seen


@pytest.mark.parametrize("shell", SET_UP)
@pytest.mark.parametrize(
    ("words", "until"),
    [("hnhub val", "validate"), ("hnhub build scif", "scifact"), ("hnhub build pydocs --queries-f", "--queries-from")],
)
def test_a_tab_completes_commands_corpora_and_options(shell: str, words: str, until: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}: apt-get install {shell}")
    assert until in typed(shell, words, until=until, home=tmp_path)


def test_a_path_is_left_to_the_shell() -> None:
    asked = {**os.environ, "_HNHUB_COMPLETE": "bash_complete", "COMP_WORDS": "hnhub validate runs/", "COMP_CWORD": "2"}
    done = subprocess.run(
        [Path(sys.executable).with_name("hnhub")], env=asked, capture_output=True, text=True, check=False
    )
    assert done.stdout == "file,runs/\n"
