"""First paragraphs of Wikipedia articles."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="hotpotqa", queries=10_000)
