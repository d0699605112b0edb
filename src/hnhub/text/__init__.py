"""Texts: how alike they are."""
