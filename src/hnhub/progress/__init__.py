"""How far long work has come: makers report, whoever watches listens. Nobody need listen.

    with hnhub.progress.listening(print):     # your own callback hears every event
        hnhub.evaluate("bm25", "scifact")
    hnhub.progress.off()                      # and nothing shows by itself

Where nobody listens, hnhub's functions show their stages on a terminal (standard error) or a line in a notebook, and nothing
elsewhere.
"""

from hnhub.progress.events import Event, Listener, Used, count, in_stage, listening, report, tell
from hnhub.progress.showing import display, no_bars, off, on, showing

__all__ = [
    "Event",
    "Listener",
    "Used",
    "count",
    "display",
    "in_stage",
    "listening",
    "no_bars",
    "off",
    "on",
    "report",
    "showing",
    "tell",
]
