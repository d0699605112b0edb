"""docs/install.md knows every extra that the package has."""

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_extra_stands_on_the_page() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (REPOSITORY / "docs" / "install.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `pip install 'hnhub\[(\w+)\]'`", page, re.MULTILINE)) == set(
        project["optional-dependencies"]
    )
