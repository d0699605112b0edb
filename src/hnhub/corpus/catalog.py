"""The catalog of corpora: every entry typed (`hnhub.corpus.spec`), with its facts' sources (`hnhub.corpus.beir`)."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from hnhub.corpus.beir import FORUMS, SPECS
from hnhub.corpus.citations import BEIR, CITATIONS
from hnhub.corpus.spec import FAMILIES, CorpusSpec
from hnhub.errors import InputError

__all__ = ["BEIR", "CATALOG", "FAMILIES", "CorpusSpec", "find"]

_PYDOCS = CorpusSpec(
    name="pydocs",
    title="Python reference topics",
    documents=None,
    judged_queries={"train": 38, "test": 57},
    licence="psf-2.0",
    licence_source="the Python documentation's copyright page",
    redistributable=True,
    licence_note="the text that the running Python brings along (pydoc_data.topics); queries and judgements are hnhub's",
    citation=CITATIONS["pydocs"],
    family="reference",
)

CATALOG: Mapping[str, CorpusSpec] = MappingProxyType({spec.name: spec for spec in (_PYDOCS, *SPECS)})
"""Name -> facts, in the order in which they are listed."""


def find(name: str) -> CorpusSpec:
    """The entry of that name. Raises InputError that names what was probably meant."""
    if name in CATALOG:
        return CATALOG[name]
    if name == "cqadupstack":
        raise InputError("cqadupstack is twelve corpora", do=f"take one of {', '.join(FORUMS)}")
    near = difflib.get_close_matches(name.lower(), CATALOG, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`hnhub corpora` lists the names"
    raise InputError(
        f"{name}: no corpus of that name", do=f"{hint} A corpus of your own: --corpus-dir DIR, or owner/name on the Hub"
    )
