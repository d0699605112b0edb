"""What can be measured of negatives before anything is trained on them, with a verdict in words (docs/audit.md)."""
