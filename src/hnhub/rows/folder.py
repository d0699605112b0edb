"""A dataset folder as the rules see it: its manifest, its files, and its rows in batches that know where they stand."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from hnhub.records import METHODS
from hnhub.rows.stats import configs, split_files
from hnhub.schema import PUBLISHED_QUERIES, SCORED, SCORED_BEFORE, triplet

__all__ = ["AT", "Folder", "Found", "Violation"]

AT = "_row"
"""The column that says in which row of its file (from 0) a row stands."""

Found = Iterator[tuple[str, int | None, str]]
"""What a rule finds: file, row or None, what is wrong."""

_BATCH = 8192


@dataclass(frozen=True)
class Violation:
    """A rule that is broken, and where. `row` counts from 0 in the file; None if it is about the whole file."""

    rule: str
    path: str
    row: int | None
    message: str


@dataclass(frozen=True)
class Folder:
    """A dataset folder on disk. Everything is read when it is asked for, rows in batches."""

    path: Path
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def files(self) -> Mapping[str, Mapping[str, list[Path]]]:
        """By config and split, the Parquet files in order."""
        return {config: split_files(self.path, config) for config in configs(self.path)}

    @cached_property
    def exported(self) -> Mapping[str, Mapping[str, list[Path]]]:
        """The same of the configs in other projects' layouts, in exports/."""
        names = sorted({path.parent.name for path in self.path.glob("exports/*/*.parquet")})
        return {name: split_files(self.path, name, "exports") for name in names}

    @cached_property
    def methods(self) -> list[str]:
        """The methods that have a scored config."""
        return [method for method in METHODS if f"{method}-scored" in self.files]

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The manifest's recipe."""
        recipe = self.manifest.get("recipe", {})
        return recipe if isinstance(recipe, dict) else {}

    @property
    def publishes_text(self) -> bool:
        """False if the corpus's texts are left out: there is no training-ready config."""
        return any(method in self.files for method in METHODS)

    @property
    def publishes_queries(self) -> bool:
        """False if the queries' texts are left out too: the corpus's own are its text."""
        return self.publishes_text or self.recipe.get("queries_from") != "qrels"

    def schema(self, config: str) -> pl.Schema:
        """The columns that a config must have."""
        if config == "queries":
            return PUBLISHED_QUERIES
        if config.endswith("-scored"):
            return SCORED_BEFORE if self._published_before else SCORED
        return triplet(int(self.recipe.get("negatives", 5)))

    @cached_property
    def _published_before(self) -> bool:
        paths = (path for method in self.methods for path in self.paths(f"{method}-scored"))
        return any(_columns(path) == SCORED_BEFORE for path in paths)

    def name(self, path: Path) -> str:
        """A file's name as the manifest has it."""
        return path.relative_to(self.path).as_posix()

    def tables(self, *wanted: str) -> Iterator[tuple[str, str, Path]]:
        """Every (config, split, file) with the right columns, of these configs or of all. Others are the schema rule's."""
        for config in wanted or self.files:
            for split, paths in self.files.get(config, {}).items():
                yield from ((config, split, path) for path in paths if self.has_schema(config, path))

    def paths(self, config: str) -> list[Path]:
        """The files of a config, of all splits."""
        return [path for paths in self.files.get(config, {}).values() for path in paths]

    def has_schema(self, config: str, path: Path) -> bool:
        """True if the file is Parquet with the columns of its config."""
        return _columns(path) == self.schema(config)

    def rows(self, path: Path, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
        """A file's rows in batches, with the column `AT`."""
        start = 0
        for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(_BATCH, columns=columns):
            frame = pl.DataFrame(batch).with_row_index(AT, offset=start)
            start += len(frame)
            yield frame

    def query_groups(self, config: str, split: str, columns: list[str]) -> Iterator[pl.DataFrame]:
        """Batches of a scored split that end where a query ends; the column `path` names the file of each row."""
        rest: pl.DataFrame | None = None
        for path in self.files.get(config, {}).get(split, []):
            if not self.has_schema(config, path):
                return
            for frame in self.rows(path, columns):
                named = frame.with_columns(pl.lit(self.name(path)).alias("path"))
                whole = named if rest is None else pl.concat([rest, named])
                cut = (whole["query_id"].eq_missing(whole["query_id"][-1])).arg_max() or 0
                if cut:
                    yield whole[:cut]
                rest = whole[cut:]
        if rest is not None and len(rest):
            yield rest

    @cached_property
    def queries(self) -> pl.DataFrame:
        """The frozen queries of every split, in order: split, query_id, query, positive_ids."""
        parts = [
            pl.read_parquet(path, columns=["query_id", "query", "positive_ids"]).select(
                pl.lit(split).alias("split"), pl.all()
            )
            for _, split, path in self.tables("queries")
        ]
        empty = pl.DataFrame(schema={"split": pl.String, **PUBLISHED_QUERIES}).drop("provenance")
        return pl.concat([empty, *parts])

    def json(self, name: str) -> Any:
        """A JSON file of the folder. Raises OSError or ValueError."""
        return json.loads((self.path / name).read_text(encoding="utf-8"))


def _columns(path: Path) -> pl.Schema | None:
    """A file's columns; None if it is no Parquet."""
    try:
        return pl.Schema(pl.read_parquet_schema(path))
    except (OSError, pl.exceptions.PolarsError):
        return None
