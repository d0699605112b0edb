"""Abstracts of DBpedia entities under keyword queries."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="dbpedia-entity", queries=10_000)
