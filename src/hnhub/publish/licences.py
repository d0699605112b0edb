"""What a source's licence means for what is published."""

from hnhub.corpus.catalog import CorpusSpec

__all__ = ["flags", "hub_licence", "may_pass_on", "may_publish_text"]

# The identifiers that the Hub knows, of the licences that corpora have (hub-docs, repositories-licenses).
_ON_HUB = frozenset(
    [
        "apache-2.0",
        "mit",
        "bsd-3-clause",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "odc-by",
        "odbl",
        "pddl",
        "gfdl",
        "gpl-3.0",
        "mpl-2.0",
        "cdla-permissive-2.0",
    ]
)
_TEXTS = {
    "psf-2.0": "https://docs.python.org/3/license.html",
    "msr-la-nc": "https://microsoft.github.io/msmarco/",
}
"""Where the terms stand of the catalog's licences that the Hub does not know."""
_UNKNOWN = frozenset({"unknown", "unspecified", ""})


def hub_licence(licence: str) -> dict[str, str]:
    """The card's YAML entries for a licence: the Hub's own identifier, or `other` with its name and where it stands, or `unknown`.

    A licence whose terms nobody has linked is told in the card itself.
    """
    if licence in _UNKNOWN:
        return {"license": "unknown"}
    if licence in _ON_HUB:
        return {"license": licence}
    return {"license": "other", "license_name": licence, "license_link": _TEXTS.get(licence, "README.md")}


def may_publish_text(spec: CorpusSpec | None, rights_statement: str | None) -> bool:
    """False where only ids may be published: the corpus is gated or forbids it, and nobody stated that they have the rights."""
    return rights_statement is not None or spec is None or (spec.access == "open" and spec.redistributable is not False)


def may_pass_on(access: str, redistributable: bool | None, rights_statement: str | None) -> bool:
    """False where text may not be published: a licence forbids it, is unknown or unsettled, and nobody stated their rights."""
    return rights_statement is not None or (access == "open" and redistributable is True)


def flags(licence: str, redistributable: bool | None) -> list[str]:
    """Sentences that a user of the data has to read, from the licence of the source."""
    found = []
    if licence in _UNKNOWN:
        found.append(
            "The licence of the source is not known. Whether you may use or pass on its text is yours to find out."
        )
    elif redistributable is None:
        found.append(f"Whether the source's licence (`{licence}`) lets its text be passed on is not settled.")
    if "-nc" in licence:
        found.append("The source is licensed for non-commercial use only, and so is what is derived from it here.")
    if "-sa" in licence:
        found.append("The source is licensed share-alike: what you derive from this dataset carries the same licence.")
    return found
