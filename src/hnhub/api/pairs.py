"""Pairs of a query and its positive, in whatever form they come: frames with the columns `query`, `positive` and others."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import polars as pl

from hnhub.corpus.hub import newest_revision
from hnhub.errors import HnhubError, InputError, ServiceError, UsageError
from hnhub.home import home
from hnhub.progress import no_bars
from hnhub.text.names import meant
from hnhub.text.paths import check_hub_name

if TYPE_CHECKING:
    import datasets
    import pandas as pd

__all__ = ["PairsLike", "pair_frames"]

PairsLike: TypeAlias = Union[
    Sequence[tuple[str, str]],
    Sequence[Mapping[str, Any]],
    pl.DataFrame,
    "pd.DataFrame",
    "datasets.Dataset",
    "datasets.IterableDataset",
    str,
    os.PathLike[str],
]
"""(query, positive) tuples, dicts, a frame, a Dataset, a file (JSONL, CSV, TSV, Parquet), or a dataset on the Hub."""

_NAMES = {
    "query": ("query", "anchor", "question", "text_1", "sentence1", "sentence_A", "input"),
    "positive": (
        "positive", "positives", "pos", "answer", "passage", "document", "text_2", "sentence2", "sentence_B", "response",
    ),
}  # fmt: skip
"""What the columns are usually called, the first found taken."""
_SEVERAL = re.compile(r"positive_\d+")
_BATCH = 8192
_FORMATS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}


def pair_frames(
    pairs: PairsLike, query: str | None = None, positive: str | None = None
) -> Callable[[], Iterator[pl.DataFrame]]:
    """The pairs in parts, as often as they are asked for: `query` (String), `positive` (List of String), and what else there is.

    `query` and `positive` name the columns; by default they are found by their usual names. Where no column has one of these, the
    first is the query and the second the positive. Both hold texts, never numbers. A positive may be a list, or stand in `positive_1`, `positive_2` and so on. Raises InputError for pairs that can't be read or
    have no such columns, UsageError for what is no pairs, ServiceError if the Hub doesn't answer.
    """
    parts = _parts(pairs)

    def frames() -> Iterator[pl.DataFrame]:
        for part in parts():
            yield _named(part, query, positive)

    return frames


def _parts(pairs: Any) -> Callable[[], Iterable[pl.DataFrame]]:
    if isinstance(pairs, str | os.PathLike):
        pairs = _loaded(pairs)
    library = type(pairs).__module__.partition(".")[0]
    if library == "pandas":
        pairs = pl.from_pandas(pairs)
    if isinstance(pairs, pl.DataFrame):
        frame = pairs
        return lambda: frame.iter_slices(_BATCH)
    if library == "datasets":
        if type(pairs).__name__ not in ("Dataset", "IterableDataset"):
            raise UsageError(f"a {type(pairs).__name__} is several datasets", do='give one split, e.g. found["train"]')
        return lambda: map(_frame_of_table, pairs.with_format("arrow").iter(_BATCH))
    if isinstance(pairs, Sequence):
        return lambda: (_frame_of_list(pairs, at) for at in range(0, len(pairs), _BATCH))
    raise UsageError(
        f"a {type(pairs).__name__} is no pairs",
        do="give a list of (query, positive), a list of dicts, a frame, a Dataset, a path or a dataset's id",
    )


def _frame_of_table(table: Any) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _frame_of_list(pairs: Sequence[Any], at: int) -> pl.DataFrame:
    rows = []
    for number, pair in enumerate(pairs[at : at + _BATCH], at):
        if isinstance(pair, Mapping):
            rows.append(pair)
        elif isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2:
            rows.append({"query": pair[0], "positive": pair[1]})
        else:
            raise InputError(f"pair {number}: is {pair!r:.60}", do="give (query, positive), or a dict with both")
    try:
        return pl.DataFrame(rows, infer_schema_length=None)
    except (pl.exceptions.PolarsError, TypeError, UnicodeEncodeError) as error:
        raise InputError(f"pairs {at} to {at + len(rows) - 1}: {error}", do="give texts, as valid Unicode") from error


def _named(frame: pl.DataFrame, query: str | None, positive: str | None) -> pl.DataFrame:
    """The columns under their names, the positives as a list."""
    asked = _column(frame, "query", query, 0)
    several = [] if positive or "positive" in frame.columns else [n for n in frame.columns if _SEVERAL.fullmatch(n)]
    answers = several or [_column(frame, "positive", positive, 1)]
    if asked in answers:
        raise InputError(f"query and positive are both {asked!r}", do="name them by query and positive")
    others = [name for name in frame.columns if name not in (asked, *answers)]
    taken = [
        n for n in others if n in ("query", "positive") or n.startswith("hnhub_") or re.fullmatch(r"negative_\d+", n)
    ]
    if taken:
        raise InputError(f"the pairs have a column {taken[0]!r} already", do="rename it or leave it out")
    for name in (asked, *answers):
        kind = frame.schema[name]
        inner = kind.inner if isinstance(kind, pl.List) and name != asked else kind
        if not isinstance(inner, pl.String | pl.Categorical | pl.Enum | pl.Null):  # Null: a batch without a value
            raise InputError(f"column {name!r} holds {kind}, not texts", do="name another by query and positive")
    lists = [
        pl.col(name).cast(pl.List(pl.String))
        if isinstance(frame.schema[name], pl.List)
        else pl.concat_list(pl.col(name).cast(pl.String))
        for name in answers
    ]
    positives = pl.concat_list(lists) if len(lists) > 1 else lists[0]
    return frame.select(
        pl.col(asked).cast(pl.String).alias("query"), positives.list.drop_nulls().alias("positive"), *others
    )


def _column(frame: pl.DataFrame, role: str, name: str | None, place: int) -> str:
    if name is not None:
        if name not in frame.columns:
            raise InputError(f"the pairs have no column {name!r}", do=meant(name, frame.columns, all_of="they have"))
        return name
    known = next((one for one in _NAMES[role] if one in frame.columns), None)
    if (
        known is None
        and len(frame.columns) > place
        and not any(n in frame.columns for names in _NAMES.values() for n in names)
    ):
        known = frame.columns[place]
    if known is None:
        raise InputError(
            f"the pairs have no column for the {role} among {', '.join(frame.columns) or 'none'}",
            do=f"name it by {role}",
        )
    return known


def _loaded(pairs: str | os.PathLike[str]) -> "datasets.Dataset":
    """A file, or the train split of a dataset on the Hub (`owner/name`, `owner/name@revision`), mapped and not held."""
    import datasets

    path, name = Path(pairs).expanduser(), os.fspath(pairs)
    try:
        with no_bars():
            if path.is_file():
                ending = next((suffix for suffix in reversed(path.suffixes) if suffix in _FORMATS), "")
                if not ending:
                    raise InputError(f"{path}: is no file of pairs", do=f"give {', '.join(_FORMATS)}")
                more = {"sep": "\t"} if ending == ".tsv" else {}
                return datasets.load_dataset(
                    _FORMATS[ending], data_files=str(path), split="train", cache_dir=str(home() / "datasets"), **more
                )
            if path.exists():
                raise InputError(f"{path}: is no file", do="give a file of pairs, or a dataset's id on the Hub")
            check_hub_name(name, do="give a file of pairs, or a dataset's id on the Hub")
            repo, _, revision = name.partition("@")
            if not Path(datasets.config.HF_DATASETS_CACHE, repo.replace("/", "___")).is_dir():
                _look(repo, revision or None)
            return datasets.load_dataset(repo, revision=revision or None, split="train")
    except datasets.exceptions.DatasetGenerationError as error:
        raise InputError(f"{path}: can't be read ({error.__cause__ or error})", do="mend the file") from error
    except (ConnectionError, OSError) as error:
        raise ServiceError(f"{name}: can't be fetched ({error})", do="look whether the Hub answers") from error
    except ValueError as error:
        raise InputError(
            f"{name}: can't be loaded ({error})", do="give a file, or a dataset with a train split"
        ) from error


def _look(repo: str, revision: str | None) -> None:
    """Whether the Hub has it: said at once, where `datasets` would try for half a minute without a network."""
    try:
        newest_revision(repo, revision)
    except HnhubError as error:
        raise type(error)(error.what, do="look whether the Hub answers, or give a file of pairs") from error
