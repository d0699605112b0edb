"""Introductions of Wikipedia articles under claims."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="fever", queries=10_000)
