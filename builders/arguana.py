"""Debate arguments; a query is an argument itself, and its document has the query's id."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="arguana", queries=1000)
