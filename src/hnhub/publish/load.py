"""A finished dataset folder as Hugging Face datasets, without the Hub: `from hnhub import load_run`."""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hnhub.errors import InputError
from hnhub.progress import no_bars
from hnhub.publish.push_plan import dataset_folder
from hnhub.records import METHODS
from hnhub.rows.assemble import to_triplets
from hnhub.rows.folder import Folder
from hnhub.schema import arrow_schema, features
from hnhub.stages import file_sha256, read_record
from hnhub.text.documents import Texts, wanted_ids

__all__ = ["HardNegatives", "load_run"]


def load_run(path: str | Path, config: str | None = None, *, corpus: str | Path | None = None) -> datasets.DatasetDict:
    """A config of a finished dataset folder (`runs/<corpus>/dataset`, or the run that holds it), every split.

    Without `config`: the first that trains. A dataset that publishes ids only needs `corpus`, your own copy of it as a
    build leaves it (`runs/<corpus>/corpus`): the texts are joined from there. Raises InputError if there is no such dataset or
    config, or the texts are missing.

    >>> import hnhub
    >>> hnhub.load_run("runs/tiny", "bm25")["train"].num_rows
    11
    """
    builder = HardNegatives(dataset_folder(Path(path)), config, corpus=Path(corpus) if corpus else None)
    with no_bars():
        builder.download_and_prepare()
        return builder.as_dataset()


class HardNegatives(datasets.ArrowBasedBuilder):  # type: ignore[misc]
    """Builder over the Parquet files of one dataset folder.

    Its cache key covers the manifest, so a folder that was built again is read again: `datasets` alone would serve what it
    has under the same name and version.
    """

    def __init__(self, folder: Path, config: str | None = None, *, corpus: Path | None = None, **kwargs: Any) -> None:
        manifest = folder / "manifest.json"
        self._folder = Folder(folder, read_record(manifest).facts)
        self._corpus = corpus
        offered = self._offered()
        config = config or next((name for name in METHODS if name in offered), "queries")
        if config not in offered:
            raise InputError(f"{folder}: has no config {config!r}", do=f"choose among {', '.join(offered)}")
        parts = [file_sha256(manifest), *(file_sha256(corpus / name) for name in _SOURCES if corpus)]
        kwargs |= {
            "config_name": config,
            # A folder of the cache is named after it, and a corpus of the Hub is owner/name@revision.
            "dataset_name": re.sub(r"[^\w.-]+", "--", f"{self._folder.manifest['corpus']}-hard-negatives"),
            "hash": hashlib.sha256("".join(parts).encode()).hexdigest()[:32],
        }
        super().__init__(**kwargs)

    def _offered(self) -> list[str]:
        files = self._folder.files
        if self._folder.publishes_text or self._corpus is None:
            return list(files)
        return ["queries", *(config for method in self._folder.methods for config in (method, f"{method}-scored"))]

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=features(self._folder.schema(self.config.name)))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"split": split}) for split in self._folder.files["queries"]
        ]

    def _generate_tables(self, split: str) -> Iterator[tuple[str, pa.Table]]:
        config = self.config.name
        if self._folder.publishes_text or self._corpus is None or config == "queries":
            tables: Iterator[pa.Table] = (
                pa.Table.from_batches([batch])
                for path in self._folder.files[config].get(split, [])
                for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches()
            )
        else:
            tables = self._joined(config, split, self._corpus)
        for number, table in enumerate(tables):
            yield str(number), table

    def _joined(self, config: str, split: str, corpus: Path) -> Iterator[pa.Table]:
        """Rows of a dataset that publishes ids only, with the texts of the user's copy."""
        method = config.removesuffix("-scored")
        schema = self._folder.schema(config)
        paths = self._folder.paths(f"{method}-scored")
        own = pl.read_parquet(corpus / "queries.parquet").filter(pl.col("split") == split)
        own = own.select("query_id", pl.col("text").alias("own"))
        keep_short = self._folder.recipe["on_shortfall"] == "keep"
        with tempfile.TemporaryDirectory() as scratch:
            wanted = wanted_ids(pl.scan_parquet(path) for path in paths)
            texts = Texts(corpus / "documents.parquet", wanted, Path(scratch))
            for frame in self._folder.query_groups(
                f"{method}-scored", split, self._folder.schema(f"{method}-scored").names()
            ):
                rows = frame.with_columns(pl.coalesce(texts.gather(frame["document_id"]), pl.col("text")).alias("text"))
                rows = rows.join(own, on="query_id", how="left", maintain_order="left")
                rows = rows.with_columns(pl.coalesce("query", "own").alias("query"))
                if config == method:
                    limit = self._folder.recipe.get("positives")
                    rows = to_triplets(rows, len(schema) - 2, keep_short=keep_short, positives=limit)
                table = rows.select(schema.names()).to_arrow(compat_level=pl.CompatLevel.oldest())
                yield table.cast(arrow_schema(schema))


_SOURCES = ("documents.parquet", "queries.parquet")
