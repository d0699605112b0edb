"""Articles of the Washington Post. Gated: only ids are published."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="trec-news", queries=5000)
