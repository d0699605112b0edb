"""hnhub: build, check, publish and prove hard-negative training data for dense retrieval."""

__version__ = "0.1.0"
