"""The catalog's families and the prompts are one set."""

from hnhub.corpus.catalog import FAMILIES
from hnhub.llm.prompts import STYLES, families


def test_every_family_of_the_catalog_has_its_query_prompt() -> None:
    assert set(families("query")) == {*FAMILIES, *STYLES}
