"""What importing pulls in, and what a module says is public."""

import ast
import importlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "hnhub"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.name not in ("__main__.py", "__init__.py"))


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    heavy = ("torch", "datasets", "polars", "pyarrow", "numba", "huggingface_hub", "aiohttp", "transformers", "numpy")
    code = (
        "import sys; sys.argv = ['hnhub', '--help']\n"
        "try:\n    from hnhub.__main__ import main; main()\n"
        f"finally: print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    times = []
    for _ in range(3):
        start = time.perf_counter()
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - start)
        assert result.stderr.strip() == "[]"
        assert "build" in result.stdout
    assert min(times) < 0.3


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_all_equals_the_public_names(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            public.add(node.name)
        elif isinstance(node, ast.Assign):
            public |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            public.add(node.target.id)
    public = {name for name in public if not name.startswith("_") and name not in ("log", "T", "P")}
    if "cli" in path.parts:
        return  # commands are found by name, by the test of the command line
    module = importlib.import_module("hnhub." + ".".join(path.relative_to(SOURCE).with_suffix("").parts))
    assert set(module.__all__) == public
