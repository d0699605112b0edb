"""Tweets. Gated: only ids are published."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="signal1m", queries=5000)
