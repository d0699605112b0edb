"""mteb on a BEIR folder with a README that names its files: `python by_mteb.py MODEL FOLDER RESULT`.

Prints as JSON mteb's scores with its own loader, its scores on `hnhub.mteb_task`, and how it reads our result.
"""

import json
import sys
from pathlib import Path

import mteb
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.results import TaskResult
from sentence_transformers import SentenceTransformer

import hnhub
from hnhub.learn.mteb_task import prompts_of


def by_its_own_loader(folder: Path) -> AbsTaskRetrieval:
    class Loaded(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="loaded", description="-", type="Retrieval", category="t2t", modalities=["text"],
            dataset={"path": str(folder), "revision": "main"}, eval_splits=["test"], eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
        )  # fmt: skip

    return Loaded()


def scores(model: SentenceTransformer, task: AbsTaskRetrieval) -> dict[str, float]:
    found = mteb.evaluate(model, task, cache=None).task_results[0].scores["test"][0]
    return {name: value for name, value in found.items() if isinstance(value, float) and "nauc" not in name}


if __name__ == "__main__":
    model, folder, result = sys.argv[1:]
    task = hnhub.mteb_task(folder, name="made")
    loaded = SentenceTransformer(model)
    ours = TaskResult.from_disk(Path(result))
    scifact = mteb.get_task("SciFact").metadata
    print(
        json.dumps(
            {
                "theirs": scores(loaded, by_its_own_loader(Path(folder))),
                "task": scores(loaded, task),
                "metadata": {"name": task.metadata.name, "languages": task.metadata.eval_langs},
                "read": ours.scores["test"][0],
                "main": ours.get_score(),
                "prompts": {
                    name: prompts_of(name, scifact)
                    for name in ("intfloat/e5-base-v2", "intfloat/multilingual-e5-large-instruct", model)
                },
            }
        )
    )
