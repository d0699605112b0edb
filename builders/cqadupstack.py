"""One forum of StackExchange a corpus; a query is a question asked again."""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="cqadupstack", queries=2000)
