"""results.md and the model's card, rendered from what was measured; equal results give equal bytes."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hnhub.adaptation.verdicts import SYSTEMS

if TYPE_CHECKING:
    import jinja2

__all__ = ["card_section", "render_results"]


def render_results(results: Mapping[str, Any]) -> str:
    """results.md."""
    return _template("results.md.j2").render(**results, systems=SYSTEMS)


def card_section(card: str, results: Mapping[str, Any]) -> str:
    """A trained model's card with a section on what it was tested on, before its settings."""
    section = _template("card.md.j2").render(**results, systems=SYSTEMS)
    head, found, tail = card.partition("## Settings\n")
    return f"{head}{section}\n{found}{tail}" if found else f"{card}\n{section}"


@functools.cache
def _template(name: str) -> "jinja2.Template":
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - it is Markdown, not HTML
        loader=jinja2.PackageLoader("hnhub", "adaptation"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": lambda value: f"{value:,}",
        "score": lambda value: f"{value:.4f}",
        "signed": lambda value: f"{value:+.4f}",
        "percent": lambda value: f"{value:.0%}",
    }
    return environment.get_template(name)
