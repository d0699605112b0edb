"""Answers from forums on personal finance."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="fiqa", queries=5000)
