"""`python -m hnhub` and the `hnhub` command."""

from hnhub.cli import main

if __name__ == "__main__":
    main()
