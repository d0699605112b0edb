"""`hnhub.view`: a finished dataset as one HTML page, to look at and to mark."""

import html
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnhub.errors import UsageError
from hnhub.marks import read_marks
from hnhub.publish.pull import opened
from hnhub.stages import write_atomically
from hnhub.viewer.against import beside
from hnhub.viewer.page import render
from hnhub.viewer.read import read_view
from hnhub.viewer.records import Shown
from hnhub.viewer.serve import serving

if TYPE_CHECKING:
    from hnhub.api.runs import Run

__all__ = ["Page", "view"]


@dataclass(frozen=True, repr=False)
class Page:
    """A page that stands by itself: `save` it, or let a notebook show it."""

    data: Mapping[str, Any]
    """What is embedded, as plain data."""

    @property
    def html(self) -> str:
        """The whole page. It fetches nothing, and only its own script runs in it."""
        return render(self.data)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page as one file; returns where."""
        file = Path(path).expanduser()
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, self.html)
        return file

    @contextmanager
    def serving(self, marks: str | os.PathLike[str] = "marks.json", *, port: int = 0) -> Iterator[str]:
        """Serve the page on this machine alone, its marks going straight into a file; yields the address, which holds a token.

        Raises InputError if the file holds no marks, or those of another corpus.
        """
        with serving(self.data, Path(marks).expanduser(), port=port) as address:
            yield address

    @property
    def says(self) -> str:
        """What of the dataset is on it."""
        shown = self.data["shown"]
        if shown["sample"]:
            drawn = ", ".join(f"{len(rows):,} of {method}" for method, rows in self.data["sampled"].items())
            return f"a random sample of negatives ({drawn}; seed {shown['seed']})"
        return f"{shown['queries']:,} of {shown['of']:,} queries"

    def __repr__(self) -> str:
        return f"Page of {self.data['name']}: {self.says}; save(path) writes it"

    def _repr_html_(self) -> str:
        page = html.escape(self.html)
        return f'<iframe srcdoc="{page}" sandbox="allow-scripts allow-downloads allow-modals" width="100%" height="720"></iframe>'


def view(
    data: "Run | str | os.PathLike[str]",
    *,
    against: "Run | str | os.PathLike[str] | None" = None,
    sample: int | None = None,
    queries: int = 5000,
    seed: int = 0,
    candidates: int = 5,
    marks: str | os.PathLike[str] | None = None,
) -> Page:
    """The page of a dataset: a run, its folder, or a repository on the Hub (`NAMESPACE/NAME[@REVISION]`).

    At most `queries` queries are on it, drawn by `seed`. With `sample` it shows that many negatives of every method instead,
    drawn at random by `seed`: what is marked on it tells how many are false (docs/view.md). `candidates` is how many are shown
    of a query and a method beside its negatives, those that were dropped first. `against` puts another dataset's negatives beside,
    `marks` is a marks.json that the page opens with.

    Raises InputError if there is no dataset, or the marks are of another corpus, UsageError for limits that make no sense.

    >>> import hnhub
    >>> page = hnhub.view("runs/tiny")
    >>> page
    Page of tiny-hard-negatives: 12 of 12 queries; save(path) writes it
    >>> page.save("tiny.html").name
    'tiny.html'
    """
    for name, value in (("sample", sample), ("queries", queries)):
        if value is not None and value < 1:
            raise UsageError(f"{name} = {value} shows nothing", do="give 1 or more")
    if sample and against is not None:
        raise UsageError("a sample is of one dataset", do="leave out --against or --sample")
    shown = Shown(limit=queries, sample=sample, seed=seed, others=candidates)
    with opened(_named(data)) as folder:
        found = {**read_view(folder, shown), "against": None}
    given = read_marks(marks, found["corpus"]["name"]) if marks else None
    found |= {"marks": given and given.as_dict(), "marked": given and given.sha256[:16]}
    if against is not None:
        name = _named(against)
        with opened(name) as folder:
            # Every query of the other: which are drawn here decides.
            other = read_view(folder, replace(shown, limit=1 << 62))
        found = beside(found, other, _label(name))
    return Page(found)


def _named(data: "Run | str | os.PathLike[str]") -> str:
    return os.fspath(data) if isinstance(data, str | os.PathLike) else str(data.folder)


def _label(name: str) -> str:
    """What the other dataset is called on the page: no path of this machine."""
    path = Path(name)
    if not path.is_dir():
        return name
    folder = path.resolve()
    return folder.parent.name if folder.name == "dataset" else folder.name
