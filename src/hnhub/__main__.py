"""`python -m hnhub` and the `hnhub` command."""

import os

# Before anything imports OpenMP: its threads spin while they wait, and starve what runs beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from hnhub.cli import main

if __name__ == "__main__":
    main()
