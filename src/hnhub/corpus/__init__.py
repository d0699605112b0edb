"""Corpora: the catalog, and loading one from the Hub, a BEIR folder or a user's own files."""
