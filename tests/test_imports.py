"""What importing pulls in, and what a module says is public."""

import ast
import importlib
import resource
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "hnhub"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.name not in ("__main__.py", "__init__.py"))


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    heavy = (
        "torch",
        "datasets",
        "polars",
        "pyarrow",
        "numba",
        "huggingface_hub",
        "aiohttp",
        "transformers",
        "numpy",
        "rich",
    )
    code = (
        "import sys; sys.argv = ['hnhub', '--help']\n"
        "try:\n    from hnhub.__main__ import main; main()\n"
        f"finally: print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert result.stderr.strip() == "[]"
        assert "build" in result.stdout
    assert min(times) < 0.3  # of the processor, so that a busy machine changes nothing


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_all_names_what_is_public(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    if "cli" in path.parts:
        return  # commands are found by name, by the test of the command line
    module = importlib.import_module("hnhub." + ".".join(path.relative_to(SOURCE).with_suffix("").parts))
    assert {name for name in defined if not name.startswith("_")} <= set(module.__all__)
    assert all(hasattr(module, name) and not name.startswith("_") for name in module.__all__)
