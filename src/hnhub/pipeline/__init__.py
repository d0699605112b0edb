"""A build as a list of stages."""
