"""docs/install.md knows every extra that the package has."""

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

from click.testing import CliRunner

from hnhub.cli.doctor import doctor

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_extra_stands_on_the_page() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (REPOSITORY / "docs" / "install.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `pip install 'hnhub\[(\w+)\]'`", page, re.MULTILINE)) == set(
        project["optional-dependencies"]
    )


def test_doctor_knows_every_extra() -> None:
    found = json.loads(CliRunner().invoke(doctor, ["--json"]).stdout)
    extras = metadata.metadata("hnhub").get_all("Provides-Extra") or []
    assert {name.removeprefix("extra ") for name in found if name.startswith("extra ")} == {*extras} - {"dev"}
