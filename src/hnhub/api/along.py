"""What goes to the Hub beside a dataset's rows, made of nothing but the dataset: its page, and other projects' layouts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hnhub.api.export import export
from hnhub.api.runs import Run
from hnhub.layouts.formats import FORMATS
from hnhub.records import METHODS

__all__ = ["EXPORTS", "exports_of", "page_of"]

EXPORTS = "exports"
"""Folder of a dataset: `exports/<layout>/<method>/`."""


def page_of(dataset: Path) -> str:
    """The dataset's page, as it is published."""
    from hnhub.viewer.page import render
    from hnhub.viewer.read import read_view
    from hnhub.viewer.records import Shown

    return render({**read_view(dataset, Shown(published=True)), "against": None, "marks": None})


def exports_of(dataset: Path, layouts: Sequence[str], place: Path) -> tuple[list[dict[str, Any]], Mapping[str, Path]]:
    """Every method's rows in these layouts, written below the empty folder `place`: what the card says of them, and the files by path.

    A layout that holds scores holds only methods that have some. Raises UsageError for a layout that there is not.
    """
    told: list[dict[str, Any]] = []
    files: dict[str, Path] = {}
    for layout in dict.fromkeys(layouts):
        for method in Run(dataset).methods:
            if layout in FORMATS and FORMATS[layout].scores and METHODS[method].written:
                continue
            made = export(dataset, place / layout / method, to=layout, method=method)
            told.append(
                {
                    "layout": layout,
                    "method": method,
                    "lines": dict(made.lines),
                    "says": FORMATS[layout].says,
                    "read": made.read,
                }
            )
            paths = sorted(path for path in made.folder.rglob("*") if path.is_file())
            files |= {f"{EXPORTS}/{path.relative_to(place).as_posix()}": path for path in paths}
    return told, files
