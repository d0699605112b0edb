"""The pinned versions install on the lowest Python that is promised, its first release included."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]


def test_every_pin_installs_on_the_first_release_of_the_lowest_python() -> None:
    promised = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    lowest = promised.removeprefix(">=") + ".0"
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    installed = {one.name.lower().replace("_", "-"): one for one in importlib.metadata.distributions()}
    seen = [(name, installed[key]) for name, _ in pins if (key := name.lower().replace("_", "-")) in installed]
    assert len(seen) > 50
    refused = [
        name for name, one in seen if not SpecifierSet(one.metadata.get("Requires-Python") or "").contains(lowest)
    ]
    assert refused == []
