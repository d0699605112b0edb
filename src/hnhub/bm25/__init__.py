"""The BM25 engine: analysis, index, search."""
