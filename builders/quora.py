"""Questions; a document is a question too, so near-duplicates abound and the depth is small."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="quora", queries=5000, depth=50)
