"""The docs: generated parts are what the code says, links lead somewhere."""

import re
from pathlib import Path

import pytest

from generated_docs import DOCS, PARTS, replaced

REPOSITORY = DOCS.parent
PAGES = sorted([*DOCS.glob("*.md"), REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md"])


@pytest.mark.parametrize("name", PARTS)
def test_generated_parts_are_fresh(name: str) -> None:
    file, render = PARTS[name]
    text = (DOCS / file).read_text(encoding="utf-8")
    assert replaced(name, text, render()) == text, f"run `make docs`: {file}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
