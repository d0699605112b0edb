"""Queries: written from passages by a model, or taken from the corpus; filtered, with reasons kept."""
