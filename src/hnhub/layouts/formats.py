"""Every layout, in one place. A new one is a module of functions from a query to lines, and an entry here."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hnhub.layouts import beir, colbert, flag_embedding, pylate, sentence_transformers, tevatron, triples
from hnhub.layouts.group import Group, Options

__all__ = ["FORMATS", "Format", "Table"]


@dataclass(frozen=True)
class Table:
    """A file: its name (`{split}` gives one a split), and the lines that a query adds to it."""

    name: str
    lines: Callable[[Group, Options], Iterable[str]]
    head: str | None = None


@dataclass(frozen=True)
class Format:
    """A layout."""

    says: str
    """What it writes."""
    read: str
    """The call by which its project reads it, in the folder of the export."""
    tables: tuple[Table, ...]
    configs: Mapping[str, str]
    """For `datasets.load_dataset(folder, config)`: config -> its file, which is split `train` if it is one for all."""
    scores: bool | None = False
    """Whether it may hold scores; True: it always does; None: it never can."""
    prompt: bool = False
    fixed: bool = False
    """Each row holds the same number of negatives."""
    every_split: bool = False
    """All splits are written by default, not only `train`."""
    published: str | None = None
    """The call by which its project reads it from the Hub, as `{config}` of a dataset at `address`; None: it reads files."""


_ROWS = "{split}.jsonl"


def _rows(lines: Callable[[Group, Options], Iterable[str]], says: str, read: str, **more: Any) -> Format:
    return Format(says, read, (Table(_ROWS, lines),), {"default": _ROWS}, **more)


_LOAD = 'datasets.load_dataset("json", data_files="train.jsonl", split="train")'
_LOAD_PUBLISHED = 'load_dataset(address, "{config}", split="train")'

FORMATS: Mapping[str, Format] = {
    "flag-embedding": _rows(
        flag_embedding.rows,
        "FlagEmbedding: `query`, `pos`, `neg`, with `--scores` `pos_scores` and `neg_scores`, with `--prompt` `prompt`",
        "python -m FlagEmbedding.finetune.embedder.encoder_only.base --train_data train.jsonl ...",
        prompt=True,
    ),
    "tevatron": _rows(
        tevatron.rows,
        "Tevatron: `query_id`, `query`, `positive_passages`, `negative_passages`, each passage with `docid` and `text`",
        "python -m tevatron.retriever.driver.train --dataset_name json --dataset_path train.jsonl ...",
        published="python -m tevatron.retriever.driver.train --dataset_name ADDRESS --dataset_config {config} ...",
    ),
    "pylate": Format(
        "PyLate's distillation: `query_id`, `document_ids`, `scores`, and the tables `queries` and `documents`",
        'pylate.utils.KDProcessing(*(datasets.load_dataset(".", name, split="train") for name in ("queries", "documents")))',
        (
            Table(_ROWS, pylate.rows),
            Table("queries.jsonl", pylate.queries),
            Table("documents.jsonl", pylate.documents),
        ),
        {"train": _ROWS, "queries": "queries.jsonl", "documents": "documents.jsonl"},
        scores=True,
        published='KDProcessing(*(load_dataset(address, f"{config}-{{part}}", split="train") for part in ("queries", "documents")))',
    ),
    "colbert": Format(
        "ColBERT: `[query, positive, negative, ...]` as numbers, with `--scores` each passage with its score, `queries.tsv`, "
        "`collection.tsv`",
        'colbert.Trainer(triples="train.jsonl", queries="queries.tsv", collection="collection.tsv", ...)',
        (
            Table(_ROWS, colbert.examples),
            Table("queries.tsv", colbert.queries),
            Table("collection.tsv", colbert.collection),
        ),
        {},
    ),
    "labeled-list": _rows(
        sentence_transformers.labeled_list,
        "sentence-transformers, for rerankers' list losses: `query`, `documents`, `labels` or `scores`",
        _LOAD,
        published=_LOAD_PUBLISHED,
    ),
    "labeled-pair": _rows(
        sentence_transformers.labeled_pair,
        "sentence-transformers, for rerankers' pair losses: `query`, `document`, `label` or `score`",
        _LOAD,
        published=_LOAD_PUBLISHED,
    ),
    "n-tuple": _rows(
        sentence_transformers.n_tuple,
        "sentence-transformers, for bi-encoders: `query`, `positive`, `negative_1` to `negative_n`, with `--scores` `score`",
        _LOAD,
        fixed=True,
        published=_LOAD_PUBLISHED,
    ),
    "beir": Format(
        "a BEIR folder: `corpus.jsonl`, `queries.jsonl`, `qrels/<split>.tsv`, and `negatives.jsonl` with ids",
        'beir.datasets.data_loader.GenericDataLoader(".").load(split="train")',
        (
            Table("corpus.jsonl", beir.corpus),
            Table("queries.jsonl", beir.queries),
            Table("qrels/{split}.tsv", beir.qrels, beir.HEAD),
            Table("negatives.jsonl", beir.negatives),
        ),
        {"corpus": "corpus.jsonl", "queries": "queries.jsonl", "negatives": "negatives.jsonl"},
        every_split=True,
    ),
    "triples": Format(
        "plain text: query, positive, negative with tabs between, a line each",
        'for line in open("train.tsv", encoding="utf-8"): query, positive, negative = line.rstrip("\\n").split("\\t")',
        (Table("{split}.tsv", triples.triples),),
        {},
        scores=None,
    ),
}
"""Name -> layout."""
