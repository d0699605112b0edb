"""Learning: train on a published dataset, evaluate, compare."""
