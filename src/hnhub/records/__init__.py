"""The nouns. Large tables stay in Parquet (columns in `hnhub.schema`); these are single rows of them, and decisions."""

from hnhub.records.bm25_settings import BM25Settings
from hnhub.records.methods import JUDGES, LEVEL_REASONS, METHODS, PAPER_METHODS, JudgeKind, Method
from hnhub.records.nouns import Document, Drop, Provenance, Verdict, contents, evaluation_splits, parent_of
from hnhub.records.options import check_values
from hnhub.records.recipe import WRITTEN_QUERIES, MiningOptions, Precision, Recipe, RecipeOptions

__all__ = [
    "JUDGES",
    "LEVEL_REASONS",
    "METHODS",
    "PAPER_METHODS",
    "WRITTEN_QUERIES",
    "BM25Settings",
    "Document",
    "Drop",
    "JudgeKind",
    "Method",
    "MiningOptions",
    "Precision",
    "Provenance",
    "Recipe",
    "RecipeOptions",
    "Verdict",
    "check_values",
    "contents",
    "evaluation_splits",
    "parent_of",
]
