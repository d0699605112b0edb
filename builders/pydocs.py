"""The demo: Python's own reference topics, with the models that need no download.

Small in every way, so that it builds in minutes on two cores. The embedded LLM has 135 million parameters: its queries
are fair, its negatives poor. As `ce` scorer it takes query likelihood under the same model.
"""

from hnhub.records import Recipe

VERSION = "1.0.0"
RECIPE = Recipe(corpus="pydocs", queries=24, negatives=2, depth=8, temperature=0.3, cross_encoder="local")
