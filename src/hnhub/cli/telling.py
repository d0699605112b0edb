"""What the command line says of a build while it goes on, and at its end."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from hnhub.progress import Event, display, listening

__all__ = ["telling"]


@contextmanager
def telling() -> Iterator[None]:
    """Show progress, a line for each stage that is done, and a summary of all of them."""
    finished: list[Event] = []
    started = time.monotonic()
    with display(lasting=True) as show:

        def hear(event: Event) -> None:
            if event.state != "working":
                finished.append(event)
            if show is not None:
                show(event)
            elif event.state != "working":
                click.echo(_stage_line(event), err=True)

        with listening(hear):
            yield
    summary = _summary(finished, time.monotonic() - started)
    if show is None:
        click.echo(", ".join(summary), err=True)
        return
    from hnhub.progress.terminal import filled, open_console

    console = open_console(sys.stderr)
    for line in filled(summary, console.width):
        console.print(line, style="bold")


def _stage_line(event: Event) -> str:
    dropped = sum(event.dropped.values())
    text = f"{event.what}, {dropped:,} dropped" if dropped else event.what
    return f"{event.stage:22} {text:58} {f'{event.seconds:.1f} s' if event.state == 'made' else 'there'}"


def _summary(finished: Sequence[Event], seconds: float) -> list[str]:
    """`9 stages (2 from before), 657 rows, 167 dropped, 41,230 tokens, cost 0.0213, 231.4 s`."""
    there = sum(event.state == "there" for event in finished)
    rows = sum(event.done for event in finished if event.stage == "dataset")
    figures = [f"{len(finished)} stages" + (f" ({there} from before)" if there else "")]
    figures += [f"{rows:,} rows", f"{sum(sum(event.dropped.values()) for event in finished):,} dropped"]
    if tokens := sum(event.tokens for event in finished):
        figures.append(f"{tokens:,} tokens")
    if cost := sum(event.cost for event in finished):
        figures.append(f"cost {cost:,.4f}")
    if failures := sum(event.failures for event in finished):
        figures.append(f"{failures:,} not parsed")
    return [*figures, f"{seconds:,.1f} s"]
