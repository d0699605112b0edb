"""From documents to a better model with a verdict: what is adapted to, what is held out, and what may be concluded."""
