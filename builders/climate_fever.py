"""FEVER's articles under claims on climate."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="climate-fever", queries=10_000)
