"""Arguments from debate portals."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="webis-touche2020", queries=5000)
