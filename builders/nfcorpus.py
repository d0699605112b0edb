"""Medical abstracts; judged queries are titles of NutritionFacts pages."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="nfcorpus", queries=1000)
