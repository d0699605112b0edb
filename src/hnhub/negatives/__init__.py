"""Negatives: one miner a module over the same frozen queries, the guard and the sampling."""
