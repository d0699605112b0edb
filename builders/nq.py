"""Wikipedia passages under Google questions."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="nq", queries=10_000)
