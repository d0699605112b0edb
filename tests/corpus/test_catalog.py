"""Every entry of the catalog, and finding one."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from hnhub.corpus.beir import FORUMS, SPECS
from hnhub.corpus.catalog import CATALOG, FAMILIES, CorpusSpec, find
from hnhub.corpus.citations import BEIR, CITATIONS
from hnhub.errors import InputError

FACTS = Path(__file__).resolve().parents[3] / "shared" / "facts" / "beir.json"
REVISIONS = FACTS.with_name("mteb-revisions.json")
BEIR_CORPORA = [
    "arguana",
    "bioasq",
    "climate-fever",
    "cqadupstack",
    "dbpedia-entity",
    "fever",
    "fiqa",
    "hotpotqa",
    "nfcorpus",
    "nq",
    "quora",
    "robust04",
    "scidocs",
    "scifact",
    "signal1m",
    "trec-covid",
    "trec-news",
    "webis-touche2020",
]
SAME_ID = {"arguana", "quora", "fiqa", "fever", "msmarco"}


def test_names_are_all_of_beir_with_the_forums_apart_and_msmarco_and_the_demo() -> None:
    families = {name.split("-")[0] if name in FORUMS else name for name in CATALOG}
    assert families == {*BEIR_CORPORA, "msmarco", "pydocs"}
    assert len(FORUMS) == 12
    assert len(CATALOG) == 17 + 12 + 2


@pytest.mark.parametrize("spec", CATALOG.values(), ids=lambda spec: spec.name)
def test_entry_holds_together(spec: CorpusSpec) -> None:
    assert find(spec.name) is spec
    assert re.fullmatch(r"[a-z0-9-]+", spec.name)
    assert spec.documents is None or spec.documents > 1000
    assert spec.judged_queries
    assert set(spec.judged_queries) <= {"train", "dev", "test"}
    assert "test" in spec.judged_queries
    assert spec.licence
    assert spec.licence_source
    assert spec.family in FAMILIES
    assert spec.drop_same_id == (spec.name in SAME_ID)
    for revision in (spec.revision, spec.qrels_revision):
        assert revision is None or re.fullmatch(r"[0-9a-f]{40}", revision)
    assert spec.hub_id is None or spec.revision, "every corpus on the Hub is pinned"
    assert spec.qrels_hub_id is None or spec.qrels_revision
    if spec.hub_id and spec.hub_id.startswith("mteb/"):
        assert spec.mteb
        assert (spec.hub_id, spec.revision) == (spec.mteb.repo, spec.mteb.revision)
    assert (spec.hub_id is None) == (spec.access == "gated" or spec.name == "pydocs")
    if spec.access == "gated":
        assert spec.redistributable is False
    if spec.licence in ("unknown", "unspecified"):
        assert spec.redistributable is not True
        assert spec.licence_note
    for figures in spec.bm25.values():
        assert set(figures) == {"nDCG@10", "Recall@100"}
        assert all(0 < value < 1 for value in figures.values())
    assert spec.bm25 or spec.name in ("msmarco", "pydocs")


@pytest.mark.parametrize("name", [*CITATIONS, "BEIR"])
def test_citation_is_bibtex(name: str) -> None:
    text = CITATIONS.get(name, BEIR)
    assert re.match(r"@(inproceedings|article|misc)\{\w+,\n", text)
    assert text.count("{") == text.count("}")
    assert "title = {" in text
    assert "author = {" in text


def test_unknown_fields_and_families_are_impossible() -> None:
    known = dataclasses.asdict(CATALOG["scifact"])
    with pytest.raises(TypeError):
        CorpusSpec(**{**known, "colour": "red"})
    with pytest.raises(ValueError, match="no prompt family 'poem'"):
        CorpusSpec(**{**known, "family": "poem"})


def test_forums_add_up_to_the_family() -> None:
    forums = [CATALOG[name] for name in FORUMS]
    assert sum(spec.documents or 0 for spec in forums) == 457_199
    assert sum(spec.judged_queries["test"] for spec in forums) == 13_145


def test_find_helps() -> None:
    with pytest.raises(InputError, match=r"take one of cqadupstack-android, .*cqadupstack-wordpress"):
        find("cqadupstack")
    with pytest.raises(InputError, match="did you mean scifact"):
        find("sciFactt")
    with pytest.raises(InputError, match="hnhub corpora"):
        find("zzzzzz")


def test_agrees_with_the_collected_facts() -> None:
    if not FACTS.is_file():
        assert {spec.name: spec.documents for spec in SPECS}["scifact"] == 5183
        return
    facts: dict[str, dict[str, Any]] = {
        corpus["name"]: corpus for corpus in json.loads(FACTS.read_text(encoding="utf-8"))["corpora"]
    }
    for forum, more in facts.pop("cqadupstack")["forums"].items():
        spec = CATALOG[f"cqadupstack-{forum}"]
        assert (spec.documents, spec.bm25["flat"]) == (more["documents"], more["bm25_flat"])
    for name, fact in facts.items():
        spec = CATALOG[name]
        assert spec.documents == fact["documents"]
        assert spec.judged_queries == fact["judged_queries"]
        assert spec.licence == fact["licence_tag"]
        assert spec.access == fact["access"]
        if spec.hub_id and spec.hub_id.startswith("BeIR/"):
            assert (spec.hub_id, spec.qrels_hub_id) == (fact["hub_id"], fact.get("qrels_hub_id"))
        assert (spec.mteb.repo if spec.mteb else None) == fact["mteb_id"]
        assert {f"bm25_{kind}": figures for kind, figures in spec.bm25.items()} == fact.get("bm25", {})


def test_commits_are_those_that_mteb_pins() -> None:
    tasks = [spec.mteb for spec in CATALOG.values() if spec.mteb]
    assert len({task.name for task in tasks}) == len(tasks) == 26
    if REVISIONS.is_file():
        pinned = json.loads(REVISIONS.read_text(encoding="utf-8"))["revisions"]
        assert {task.repo: task.revision for task in tasks} == pinned
