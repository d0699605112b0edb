"""The recipe lab: how should one train? Every arm of arms.py on SciFact, NFCorpus and Cranfield, against the model as it is.

    python bench/recipes/run.py                    # all arms with static embeddings, then writes docs/recipes.md's table
    python bench/recipes/run.py --model minilm --arm best-merge-0.5 --seeds 1
    python bench/recipes/run.py --table            # only the table, from what was measured
    python bench/recipes/run.py --time --arm plain --out /tmp/once   # only how long the arms take, without the table

It goes on where it was stopped; what is measured lies in runs/recipes. The corpora are read from ../shared/data/beir, or --beir.
"""

import argparse
import json
import logging
import math
import os
import sys
import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "tests")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import polars as pl
from arms import ARMS, MOST_PASSES, PLAIN, RATES, STEPS, Arm
from corpora import BEIR, Material, material
from tables import write_page

from _common import compared
from hnhub.encode.encoder import Encoder
from hnhub.encode.models import resolve
from hnhub.home import home
from hnhub.learn.evaluate import Evaluation, evaluate, retrieve, write_evaluation
from hnhub.learn.leaks import Checked, check_leaks
from hnhub.learn.options import settings_for
from hnhub.learn.search import DenseSearcher, LexicalSearcher
from hnhub.learn.train import train
from hnhub.learn.training_data import load_training_data
from hnhub.stages import run_stage
from small_models import minilm, word_vectors

MEASURES = ("nDCG@10", "Recall@100")
LENGTH = {"static": None, "minilm": 64}
"""Tokens of a text in training and evaluation."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["static", "minilm"], default="static")
    parser.add_argument("--arm", action="append", choices=[arm.name for arm in ARMS])
    parser.add_argument("--corpus", action="append", choices=["scifact", "nfcorpus", "cranfield"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/recipes"))
    parser.add_argument("--beir", type=Path, default=BEIR)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--time", action="store_true")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    if not given.table:
        source = _model(given.model, given.out)
        corpora = [
            material(name, given.out, given.beir) for name in given.corpus or ["cranfield", "scifact", "nfcorpus"]
        ]
        for seed in range(given.seeds):
            for corpus in corpora:
                _measure(given, corpus, source, seed)
    if not given.time:
        write_page(given.out)


def _model(name: str, out: Path) -> str:
    if name == "minilm":
        return minilm()
    folder = out / "models" / "wordllama-256"
    return str(folder) if folder.exists() else word_vectors(folder)


def _measure(given: argparse.Namespace, corpus: Material, source: str, seed: int) -> None:
    scores = given.out / "scores" / given.model / corpus.name

    def kept(label: str, make: object) -> None:
        run_stage(scores / label, {"test": corpus.test.revision, "measures": MEASURES, "what": label}, make)  # type: ignore[arg-type]

    def searched(folder: Path, encoder: Encoder, cache: Path, contaminated: frozenset[str]) -> Evaluation:
        run = retrieve(DenseSearcher.open(encoder, corpus.test.documents, cache), corpus.test, 100)
        found = evaluate(run, corpus.test, model=source, measures=MEASURES, contaminated=contaminated)
        write_evaluation(folder, found)
        return found

    def base(folder: Path, _: Path) -> dict[str, object]:
        encoder = Encoder(source, max_length=LENGTH[given.model])
        return dict(searched(folder, encoder, given.out / "embeddings", frozenset()).measures)

    def lexical(folder: Path, _: Path) -> dict[str, object]:
        run = retrieve(LexicalSearcher.open(corpus.test, home() / "bm25"), corpus.test, 100)
        found = evaluate(run, corpus.test, model="bm25", measures=MEASURES, contaminated=frozenset())
        write_evaluation(folder, found)
        return dict(found.measures)

    kept("base", base)
    kept("bm25", lexical)
    for arm in ARMS:
        wanted = seed < arm.seeds and arm.only in (None, corpus.name)
        if not wanted or (given.arm and arm.name not in given.arm):
            continue
        start = time.monotonic()
        stage = scores / arm.name / f"seed-{seed}"
        done = _trained(stage, corpus, source, arm, given.model, seed, searched)
        seconds = time.monotonic() - start
        print(f"{given.model} {corpus.name} {arm.name} {seed}: {done} ({seconds:.0f} s)", flush=True)
        what = f"The recipe lab's arm {arm.name} on {corpus.name}, {given.model}: dataset, {done['steps']} steps, evaluation"
        compared(what, [seconds], unit="s")


def _trained(
    stage: Path, corpus: Material, source: str, arm: Arm, kind: str, seed: int, searched: object
) -> dict[str, object]:
    """Train an arm and keep how it does; the model itself goes."""
    options = {
        **PLAIN,
        "learning_rate": arm.rate * RATES[kind],
        **arm.train,
        "max_length": LENGTH[kind],
        **({"cached": False} if kind == "minilm" else {}),
        "seed": seed,
    }
    settings = settings_for(source, **options)
    taught = settings.teacher if settings.scored else None
    drawn = seed if settings.candidates else 0
    checked = _rows(
        corpus, arm.dataset, arm.config, arm.positives, arm.decontaminate, taught, settings.candidates, drawn
    )
    if not arm.long:
        rows = checked.data.rows
        seen = rows.height if settings.positives == "all" and settings.loss != "lsepair" else rows["query"].n_unique()
        passes = STEPS[kind] * settings.batch / seen
        whole = float(min(MOST_PASSES, max(1, math.ceil(passes))))
        settings = replace(settings, epochs=min(passes, whole) if kind == "minilm" else whole)
    contaminated = checked.contaminated[corpus.test.corpus]
    parts = {
        "test": corpus.test.revision,
        "data": checked.data.identity(),
        "model": resolve(source).identity(),
        "settings": {key: value for key, value in vars(settings).items() if key != "mini_batch"},
        "measures": MEASURES,
    }

    def make(folder: Path, _: Path) -> dict[str, object]:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="recipe-") as place:
            model = Path(place) / "model"
            model.mkdir()
            facts = train(model, Path(place) / "work", data=checked.data, model=resolve(source), settings=settings)
            encoder = Encoder(str(model), max_length=LENGTH[kind])
            found = searched(folder, encoder, Path(place) / "embeddings", contaminated)  # type: ignore[operator]
        return {
            **found.as_json()["metrics"],
            "steps": facts["steps"],
            "rows": facts["trained_rows"],
            "seconds": round(time.monotonic() - start),
        }

    record = run_stage(stage, json.loads(json.dumps(parts)), make)
    return dict(record.facts)


@cache
def _rows(
    corpus: Material,
    names: str,
    config: str,
    positives: int | None,
    decontaminate: bool,
    teacher: str | None,
    candidates: int | None,
    seed: int,
) -> Checked:
    """The rows of one or several datasets, after the leak check."""
    options = {
        "distil": teacher is not None,
        "teacher": teacher or "score",
        "candidates": candidates,
        "held_out_share": 0,
        "seed": seed,
    }
    parts = [load_training_data(str(corpus.dataset(name)), config, **options) for name in names.split("+")]
    rows = pl.concat([part.rows for part in parts])
    if positives is not None:
        rows = rows.filter(pl.int_range(pl.len()).over("query") < positives)
    return check_leaks(replace(parts[0], rows=rows), [corpus.test], on_leak="drop", decontaminate=decontaminate)


if __name__ == "__main__":
    main()
