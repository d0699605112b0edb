"""mteb's own evaluation of a model on a BEIR folder, and its reading of our result: `python by_mteb.py MODEL FOLDER RESULT`.

Prints mteb's scores and what it read, as JSON. Status 77: mteb is not installed here.
"""

import json
import sys
from pathlib import Path


def task_of(folder: Path):
    import datasets
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
    from mteb.abstasks.task_metadata import TaskMetadata

    def lines(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]

    corpus = [{"id": d["_id"], "title": d.get("title", ""), "text": d["text"]} for d in lines("corpus.jsonl")]
    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, score = line.split("\t")
        qrels.setdefault(query, {})[document] = int(score)
    queries = [{"id": q["_id"], "text": q["text"]} for q in lines("queries.jsonl") if q["_id"] in qrels]

    class Ours(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="made", description="-", reference=None, type="Retrieval", category="t2t", modalities=["text"],
            dataset={"path": "local", "revision": "1"}, eval_splits=["test"], eval_langs=["eng-Latn"],
            main_score="ndcg_at_10", date=None, domains=None, task_subtypes=None, license=None, annotations_creators=None,
            dialect=None, sample_creation=None, bibtex_citation="",
        )  # fmt: skip

        def load_data(self, *_: object, **__: object) -> None:
            data = RetrievalSplitData(
                corpus=datasets.Dataset.from_list(corpus), queries=datasets.Dataset.from_list(queries),
                relevant_docs=qrels, top_ranked=None,
            )  # fmt: skip
            self.dataset = {"default": {"test": data}}
            self.data_loaded = True

    return Ours()


if __name__ == "__main__":
    try:
        import mteb
        from mteb.results import TaskResult
    except ModuleNotFoundError as error:
        print(f"mteb: {error}", file=sys.stderr)
        sys.exit(77)
    from sentence_transformers import SentenceTransformer

    model, folder, result = sys.argv[1:]
    found = mteb.evaluate(SentenceTransformer(model), task_of(Path(folder)), cache=None)
    theirs = found.task_results[0].scores["test"][0]
    ours = TaskResult.from_disk(Path(result))
    print(json.dumps({"theirs": theirs, "read": ours.scores["test"][0], "main": ours.get_score()}))
