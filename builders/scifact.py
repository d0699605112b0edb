"""Abstracts under scientific claims."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="scifact", queries=1000)
