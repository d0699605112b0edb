"""The parts of the docs that are printed from the code: `python tests/generated_docs.py` writes them (make docs)."""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import click

from hnhub.cli import COMMANDS, cli
from notebook import notebook
from test_architecture import FOUNDATION, TABLE

DOCS = Path(__file__).resolve().parents[1] / "docs"


def import_table() -> str:
    """Who may import whom, from the table that the test checks."""
    lines = ["| room | from hnhub | third party |", "|---|---|---|"]
    for room, (rooms, parties) in TABLE.items():
        beyond = [name for name in rooms if name not in FOUNDATION]
        named = ["the foundation", *beyond] if len(rooms) > len(beyond) + 1 else list(rooms)
        lines.append(f"| {room} | {', '.join(named) or '-'} | {', '.join(parties) or '-'} |")
    return "\n".join(lines)


def command_reference() -> str:
    """Every command's --help."""
    context = click.Context(cli, info_name="hnhub")
    parts = []
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        parts.append(_help(command, click.Context(command, info_name=f"hnhub {name}", terminal_width=100)))
        if isinstance(command, click.Group):
            for sub in command.list_commands(context):
                inner = command.get_command(context, sub)
                assert inner is not None
                parts.append(_help(inner, click.Context(inner, info_name=f"hnhub {name} {sub}", terminal_width=100)))
    return "\n\n".join(parts)


def _help(command: click.Command, context: click.Context) -> str:
    return f"### {context.info_name}\n\n```text\n{command.get_help(context)}\n```"


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "imports": ("design.md", import_table),
    "commands": ("cli.md", command_reference),
}


def replaced(name: str, text: str, part: str) -> str:
    """The text with the part between its two markers."""
    start, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    head, _, rest = text.partition(start)
    _, found, tail = rest.partition(end)
    assert found, f"no markers for {name}"
    return f"{head}{start}\n\n{part}\n\n{end}{tail}"


if __name__ == "__main__":
    for name, (file, render) in PARTS.items():
        path = DOCS / file
        path.write_text(replaced(name, path.read_text(encoding="utf-8"), render()), encoding="utf-8")
    (DOCS / "quickstart.ipynb").write_text(notebook((DOCS / "python.md").read_text(encoding="utf-8")), encoding="utf-8")
