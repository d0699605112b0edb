"""Models that are in memory: used as they are for evaluation, copied for training."""

import sys

from sentence_transformers import SentenceTransformer

import hnhub

folder, dataset = sys.argv[1:]
model = SentenceTransformer(folder, device="cpu")
passages = ["A kettle boils water.", "A river carries boats.", "A glacier is old ice.", "A violin has strings."]
ids = [row["document_id"] for row in hnhub.open_corpus(passages, name="things").to_frame().to_dicts()]
corpus = hnhub.open_corpus(
    [{"_id": i, "text": text} for i, text in zip(ids, passages, strict=True)],
    name="things",
    queries={"1": "hot water", "2": "ships"},
    qrels={"1": [ids[0]], "2": [ids[1]]},
)
before = hnhub.evaluate(model, corpus)

run: hnhub.Run = hnhub.open_run(dataset)
trained: hnhub.Training = hnhub.train(
    run, config="bm25", model=model, out="trained", tests=[corpus], epochs=1, batch=4, learning_rate=1e-2
)
after = hnhub.evaluate(trained.model(), corpus)
change: float = after["nDCG@10"] - before["nDCG@10"]
print(trained)
print(f"nDCG@10 {change:+.4f}")
