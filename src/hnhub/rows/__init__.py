"""Rows: assembling the published tables, the rules they keep, the numbers a card may print."""
