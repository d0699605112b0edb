"""hnhub: build, check, publish and prove hard-negative training data for dense retrieval."""

__version__ = "0.1.0"

__all__ = ["__version__", "load_run"]


def __getattr__(name: str) -> object:
    # Loaded when asked for: `datasets` takes a second to import.
    if name == "load_run":
        from hnhub.publish.load import load_run

        return load_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
