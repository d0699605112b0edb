"""Evaluate on a corpus of your own, and say what may be concluded."""

import polars as pl

import hnhub

passages = pl.DataFrame(
    {
        "_id": ["kettle", "river", "glacier", "violin"],
        "title": ["Kettles", "Rivers", "Glaciers", "Violins"],
        "text": [
            "A kettle boils water on a stove.",
            "A river carries boats to the sea.",
            "A glacier is a river of old ice.",
            "A violin has four strings and a bow.",
        ],
    }
)
corpus: hnhub.Corpus = hnhub.open_corpus(
    passages,
    name="things",
    queries={"1": "what boils water?", "2": "old ice", "3": "strings and a bow"},
    qrels={"1": ["kettle"], "2": ["glacier"], "3": {"violin": 1, "kettle": 0}},
)
found: hnhub.Evaluation = hnhub.evaluate("bm25", corpus, measures=["nDCG@10", "MRR@10"])
print(found)
per_query: pl.DataFrame = found.to_frame()
print(per_query)

other = hnhub.evaluate("by hand", corpus, run={"1": {"river": 1.0, "kettle": 0.5}}, measures=["nDCG@10"])
verdict: hnhub.Verdict = hnhub.verdict(found, other, margin=0.05)
print(verdict)
assert verdict.verdict in ("better", "worse", "equivalent", "undecided")
