"""Where the parts of stages are made: here, or on Ray."""
