"""Abstracts of the CORD-19 collection, many with a title alone."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="trec-covid", queries=2000)
