"""Running encoders: which device and dtype, token-budget batches, embeddings on disk, exact top-k."""
