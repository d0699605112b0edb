"""Abstracts of papers; a query is the title of a paper that cites them."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="scidocs", queries=2000)
