"""Exports read by the projects that they are for: `python readers.py FOLDER` prints, as JSON, the first row of each of its folders.

A folder's name is the reader's, and what may follow after a `-`; all in one process, since each imports torch. What can't be
read is the error's text in place of the row.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace


def flag_embedding(folder: Path):
    from FlagEmbedding.abc.finetune.embedder.AbsArguments import AbsEmbedderDataArguments
    from FlagEmbedding.abc.finetune.embedder.AbsDataset import AbsEmbedderTrainDataset

    args = AbsEmbedderDataArguments(
        train_data=[str(folder / "train.jsonl")],
        train_group_size=3,
        query_instruction_for_retrieval="none",
        query_instruction_format="{}{}",
        knowledge_distillation=True,
        cache_path=str(folder / "cache"),
    )
    return AbsEmbedderTrainDataset(args, tokenizer=None)[0]


def flag_reranker(folder: Path):
    from FlagEmbedding.abc.finetune.reranker.AbsArguments import AbsRerankerDataArguments
    from FlagEmbedding.abc.finetune.reranker.AbsDataset import AbsRerankerTrainDataset

    args = AbsRerankerDataArguments(
        train_data=[str(folder / "train.jsonl")],
        train_group_size=3,
        knowledge_distillation=True,
        cache_path=str(folder / "cache"),
    )
    data = AbsRerankerTrainDataset(args, tokenizer=None)
    data.create_one_example = lambda query, passage: [query, passage]  # instead of a tokenizer's numbers
    return data[0]


def tevatron(folder: Path):
    from datasets import load_dataset
    from tevatron.datasets.preprocessor import TrainPreProcessor

    words = SimpleNamespace(encode=lambda text, **_: text.split())
    data = load_dataset("json", data_files=str(folder / "train.jsonl"), split="train", cache_dir=str(folder / "cache"))
    return TrainPreProcessor(words)(data[0])


def pylate(folder: Path):
    from datasets import load_dataset
    from pylate import utils

    train, queries, documents = (
        load_dataset(str(folder), name, split="train", cache_dir=str(folder / "cache"))
        for name in ("train", "queries", "documents")
    )
    train.set_transform(utils.KDProcessing(queries=queries, documents=documents).transform)
    return train[0]


def colbert(folder: Path):
    from colbert.data import Collection, Examples, Queries

    examples = Examples.cast(str(folder / "train.jsonl"), nway=3)
    queries, collection = Queries.cast(str(folder / "queries.tsv")), Collection.cast(str(folder / "collection.tsv"))
    query, *passages = examples.tolist()[0]
    return [queries[query], *(collection[one[0] if isinstance(one, list) else one] for one in passages)]


def beir(folder: Path):
    from beir.datasets.data_loader import GenericDataLoader

    corpus, queries, qrels = GenericDataLoader(str(folder)).load(split="train")
    query = next(iter(qrels))
    return {"query": queries[query], "documents": {name: corpus[name]["text"] for name in qrels[query]}}


def sentence_transformers(folder: Path):
    from datasets import load_dataset

    return load_dataset(str(folder), split="train", cache_dir=str(folder / "cache"))[0]


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    rows = {}
    for path in sorted(Path(sys.argv[1]).iterdir()):
        try:
            rows[path.name] = globals()[path.name.partition("-")[0]](path)
        except Exception:
            rows[path.name] = traceback.format_exc()
    print(json.dumps(rows, ensure_ascii=False))
