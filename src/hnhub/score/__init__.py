"""Scorers of (query, document) pairs."""
