"""Bing questions over web passages. Queries are written, so that no licence but the passages' own applies to them."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="msmarco", queries=10_000)
