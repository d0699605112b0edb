"""The docs: generated parts are what the code says, links lead somewhere."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

import hnhub
from generated_docs import DOCS, PARTS, replaced
from hnhub.publish.card import render_card

REPOSITORY = DOCS.parent
PAGES = sorted([*DOCS.glob("*.md"), REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md"])


@pytest.mark.parametrize("name", PARTS)
def test_generated_parts_are_fresh(name: str) -> None:
    file, render = PARTS[name]
    pinned = re.search(r"^click==(\S+)", (REPOSITORY / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    if name == "commands" and pinned and version("click") != pinned[1]:
        pytest.skip(f"every click writes help its own way; the page is that of click {pinned[1]}")
    text = (DOCS / file).read_text(encoding="utf-8")
    assert replaced(name, text, render()) == text, f"run `make docs`: {file}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_stands_in_the_sites_contents() -> None:
    """Else Sphinx warns, and a warning there is an error."""
    contents = (DOCS / "index.md").read_text(encoding="utf-8").splitlines()
    assert not [page.stem for page in DOCS.glob("*.md") if page.stem != "index" and page.stem not in contents]


def test_the_reference_has_every_public_name() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"^\.\. auto\w+:: hnhub\.(\w+)$", text, re.MULTILINE)
    assert sorted(named) == sorted(set(hnhub.__all__) - {"__version__"})


@pytest.mark.parametrize("facts", sorted((REPOSITORY / "dataset_cards").glob("*.json")), ids=lambda path: path.stem)
def test_committed_cards_say_what_their_facts_say(facts: Path) -> None:
    assert facts.with_suffix(".md").read_text(encoding="utf-8") == render_card(
        json.loads(facts.read_text(encoding="utf-8"))
    )
