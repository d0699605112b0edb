"""A finished dataset as one HTML page to look at and to mark (docs/view.md)."""
