"""`hnhub.open_run`: what a build has made, to look at, load, check and publish."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import polars as pl

from hnhub.publish.push import Pushed
from hnhub.publish.push_plan import MANIFEST, dataset_folder
from hnhub.records import METHODS
from hnhub.rows.facts import read_facts
from hnhub.rows.folder import Violation
from hnhub.rows.stats import configs, split_files
from hnhub.rows.validate import validate
from hnhub.stages import read_record
from hnhub.text.table import html_table, text_table

if TYPE_CHECKING:
    import datasets

    from hnhub.api.view import Page

__all__ = ["Run", "dataset_name", "open_run"]

_SHOWN = 10


@dataclass(frozen=True, repr=False)
class Run:
    """A finished dataset on disk: rows by config and split, the facts that were measured of them, and what was dropped."""

    folder: Path
    """The dataset's folder, e.g. `runs/scifact/dataset`: exactly what is published."""
    asked: Mapping[str, Mapping[str, Any]] | None = None
    """What the build that returned it asked of a language model, by method: requests, tokens, failures."""
    spent: Mapping[str, float] | None = None
    """What that build paid for, the journal's answers not: `prompt_tokens`, `completion_tokens`, and `cost` where prices were given."""

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """`corpus`, `recipe` and what else the build recorded of itself, as plain data."""
        return read_record(self.folder / MANIFEST).facts

    @property
    def fingerprint(self) -> str:
        """One hash over all that it is made from (hex)."""
        return read_record(self.folder / MANIFEST).fingerprint

    @property
    def corpus(self) -> str:
        """The corpus's name."""
        return str(self.manifest["corpus"])

    @property
    def configs(self) -> tuple[str, ...]:
        """`queries`, and for every method `<method>`, ready to train on, and `<method>-scored`, a row a candidate."""
        return tuple(configs(self.folder))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that have rows, in published order."""
        return tuple(method for method in METHODS if f"{method}-scored" in self.configs)

    @cached_property
    def stats(self) -> Mapping[str, Any]:
        """The measured facts that the card prints (docs/card.md), as plain data."""
        return read_facts(self.folder)

    @property
    def rows(self) -> dict[str, dict[str, int]]:
        """Config -> split -> number of rows."""
        return {config: dict(splits) for config, splits in self.stats["stats"]["rows"].items()}

    @property
    def ledger(self) -> pl.DataFrame:
        """A row for each query, candidate or text that was dropped: stage, method, query_id, document_id, reason, detail."""
        files = sorted(path for path in (self.folder / "ledger").glob("*.parquet") if path.name != "held-out.parquet")
        return pl.concat([pl.read_parquet(path) for path in files]) if files else pl.DataFrame()

    @overload
    def dataset(self, config: str | None = None, *, split: None = None) -> "datasets.DatasetDict": ...
    @overload
    def dataset(self, config: str | None = None, *, split: str) -> "datasets.Dataset": ...
    def dataset(
        self, config: str | None = None, *, split: str | None = None
    ) -> "datasets.Dataset | datasets.DatasetDict":
        """A config as a Hugging Face dataset, every split or one; by default the first config that trains.

        Raises InputError for a config or a split that there is not.
        """
        from hnhub.errors import InputError
        from hnhub.publish.load import load_run

        splits = load_run(self.folder, config)
        if split is None:
            return splits
        if split not in splits:
            raise InputError(f"{self.folder}: has no split {split!r}", do=f"choose among {', '.join(splits)}")
        return splits[split]

    def datasets(self) -> "dict[str, datasets.DatasetDict]":
        """Every config as a Hugging Face DatasetDict, by its name."""
        return {config: self.dataset(config) for config in self.configs}

    def to_frame(self, config: str, *, split: str = "train") -> pl.DataFrame:
        """A config's split as a polars frame; columns in docs/columns.md. Raises InputError if there is none."""
        from hnhub.errors import InputError

        files = split_files(self.folder, config).get(split)
        if not files:
            raise InputError(
                f"{self.folder}: has no {split} rows of {config!r}", do=f"choose among {', '.join(self.configs)}"
            )
        return pl.concat([pl.read_parquet(path) for path in files])

    def validate(self) -> list[Violation]:
        """Every violation of a rule of `hnhub validate`; none if the dataset is sound."""
        return list(validate(self.folder))

    def card(self) -> str:
        """The dataset card, as it is published: Markdown, every figure in it measured."""
        return (self.folder / "README.md").read_text(encoding="utf-8")

    def view(
        self,
        *,
        against: "Run | str | os.PathLike[str] | None" = None,
        sample: int | None = None,
        queries: int = 5000,
        seed: int = 0,
    ) -> "Page":
        """Its page, which a notebook shows; see `hnhub.view`."""
        from hnhub.api.view import view

        return view(self, against=against, sample=sample, queries=queries, seed=seed)

    def push(
        self,
        repo: str,
        *,
        tag: str | None = None,
        collection: str | None = None,
        note: str | None = None,
        private: bool = False,
        gated: Literal["auto", "manual"] | None = None,
        pull_request: bool = False,
        force: bool = False,
        with_page: bool = False,
        space: str | None = None,
        with_answers: bool = False,
        with_exports: Sequence[str] = (),
    ) -> Pushed:
        """Publish it; see `hnhub.push`."""
        from hnhub.api.push import push

        return push(
            self,
            repo,
            tag=tag,
            collection=collection,
            note=note,
            private=private,
            gated=gated,
            pull_request=pull_request,
            force=force,
            with_page=with_page,
            space=space,
            with_answers=with_answers,
            with_exports=with_exports,
        )

    def __repr__(self) -> str:
        head = f"{self.corpus}: hard negatives by {', '.join(self.methods) or 'no method'}, in {self.folder}"
        return "\n\n".join([head, text_table(self._counts()), text_table(self.drops)])

    def _repr_html_(self) -> str:
        title = f"{self.corpus}: hard negatives by {', '.join(self.methods) or 'no method'}"
        return html_table(self._counts(), title) + html_table(self.drops, "dropped")

    def _counts(self) -> list[tuple[str, str, str]]:
        counts = [(config, split, f"{n:,}") for config, splits in self.rows.items() for split, n in splits.items()]
        return [("config", "split", "rows"), *counts]

    @property
    def drops(self) -> list[tuple[str, ...]]:
        """What was dropped: a head, and a row for each stage, method and reason with its count."""
        drops = [
            (drop["stage"], drop["method"] or "", drop["reason"], f"{drop['count']:,}")
            for drop in self.stats["stats"]["drops"]
        ]
        return [("dropped in", "method", "reason", "count"), *drops] if drops else [("nothing was dropped",)]


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open what a build has made: `runs/<corpus>`, or the dataset's folder in it.

    Raises InputError if there is no finished dataset.

    >>> import hnhub
    >>> run = hnhub.open_run("runs/tiny")
    >>> run.methods, run.rows["bm25"]
    (('llm', 'bm25'), {'train': 11})
    >>> run.dataset("bm25", split="train").column_names
    ['query', 'positive', 'negative_1', 'negative_2']
    >>> run.validate()
    []
    """
    return Run(dataset_folder(Path(path).expanduser()))


def dataset_name(data: "str | os.PathLike[str] | Run") -> str:
    """What training reads: a run's or a dataset's folder, or a Hub id."""
    if isinstance(data, Run):
        return str(data.folder)
    folder = Path(data).expanduser()
    if folder.is_dir() and not (folder / MANIFEST).is_file() and (folder / "dataset" / MANIFEST).is_file():
        return str(folder / "dataset")
    return os.fspath(data)
