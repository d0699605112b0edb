"""Hear how far a call has come, or keep it quiet."""

import hnhub
from hnhub.progress import Event

heard: list[Event] = []


def listen(event: Event) -> None:
    share = event.done / event.total if event.total else None
    heard.append(event)
    print(event.stage, event.what, share, dict(event.dropped), event.tokens)


with hnhub.progress.listening(listen):
    hnhub.progress.report("reading", 1, 4)
hnhub.progress.off()
assert heard[0].total == 4
