"""hnhub: build, check, publish and prove hard-negative training data for dense retrieval.

    run = hnhub.build("scifact", methods=["bm25"])           # or open_run("runs/scifact"): what a build has made
    trained = hnhub.train(run, config="bm25", model="intfloat/e5-base-v2", out="models/e5")
    hnhub.evaluate(trained.model(), "scifact")

docs/python.md tells all of it. Names are loaded when they are asked for.
"""

import importlib
import logging
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Adapted",
    "Audit",
    "BM25Settings",
    "Comparison",
    "Corpus",
    "Evaluation",
    "Exported",
    "Mined",
    "Page",
    "Plan",
    "Recipe",
    "Reproduction",
    "Run",
    "Training",
    "Verdict",
    "__version__",
    "adapt",
    "audit",
    "build",
    "compare",
    "errors",
    "evaluate",
    "export",
    "load_run",
    "mine",
    "mteb_task",
    "open_corpus",
    "open_run",
    "plan_push",
    "progress",
    "push",
    "recut",
    "reproduce",
    "train",
    "verdict",
    "view",
]

logging.getLogger("hnhub").addHandler(logging.NullHandler())  # nothing is printed unless the user sets logging up

if TYPE_CHECKING:
    from hnhub import errors, progress
    from hnhub.api.adapt import Adapted, adapt
    from hnhub.api.audit import Audit, audit
    from hnhub.api.build import build
    from hnhub.api.compare import Comparison, Verdict, compare, verdict
    from hnhub.api.evaluate import evaluate
    from hnhub.api.export import Exported, export
    from hnhub.api.inputs import open_corpus
    from hnhub.api.mine import Mined, mine
    from hnhub.api.mteb import mteb_task
    from hnhub.api.push import plan_push, push
    from hnhub.api.recut import recut
    from hnhub.api.reproduce import Reproduction, reproduce
    from hnhub.api.runs import Run, open_run
    from hnhub.api.train import Training, train
    from hnhub.api.view import Page, view
    from hnhub.corpus.opened import Corpus
    from hnhub.learn.compare_plan import Plan
    from hnhub.learn.evaluate import Evaluation
    from hnhub.publish.load import load_run
    from hnhub.records import BM25Settings, Recipe
else:
    _PLACES = {
        "hnhub.api.adapt": ("Adapted", "adapt"),
        "hnhub.api.audit": ("Audit", "audit"),
        "hnhub.api.build": ("build",),
        "hnhub.api.compare": ("Comparison", "Verdict", "compare", "verdict"),
        "hnhub.api.evaluate": ("evaluate",),
        "hnhub.api.export": ("Exported", "export"),
        "hnhub.api.inputs": ("open_corpus",),
        "hnhub.api.mine": ("Mined", "mine"),
        "hnhub.api.mteb": ("mteb_task",),
        "hnhub.api.push": ("plan_push", "push"),
        "hnhub.api.recut": ("recut",),
        "hnhub.api.reproduce": ("Reproduction", "reproduce"),
        "hnhub.api.runs": ("Run", "open_run"),
        "hnhub.api.train": ("Training", "train"),
        "hnhub.api.view": ("Page", "view"),
        "hnhub.corpus.opened": ("Corpus",),
        "hnhub.learn.evaluate": ("Evaluation",),
        "hnhub.learn.compare_plan": ("Plan",),
        "hnhub.publish.load": ("load_run",),
        "hnhub.records": ("BM25Settings", "Recipe"),
    }

    def __getattr__(name: str) -> object:
        # Loaded when asked for: `datasets` takes a second to import, torch several.
        if name in ("errors", "progress"):
            return importlib.import_module(f"hnhub.{name}")
        for place, names in _PLACES.items():
            if name in names:
                return getattr(importlib.import_module(place), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(__all__)
