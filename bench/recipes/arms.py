"""What the recipe lab tries: each arm is one change of the arm `plain`, but the last group, which puts together what helped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ARMS", "DATASETS", "PLAIN", "RATES", "Arm"]

DATASETS: Mapping[str, Mapping[str, Any]] = {
    "top": {"sampling": "top", "depth": 100},
    "random": {"sampling": "random", "depth": 100},
    "stratified": {"sampling": "stratified", "depth": 100},
    "far": {"sampling": "random", "depth": 600, "rank_min": 300},
}
"""Builds by name, as options of `hnhub.build`. `far` is as good as random from the corpus, but free of what the guard finds."""

RATES = {"static": 0.02, "minilm": 2e-5}


@dataclass(frozen=True)
class Arm:
    """One way to train."""

    name: str
    group: str
    says: str
    dataset: str = "top"
    train: Mapping[str, Any] = field(default_factory=dict)
    positives: int | None = None
    """Rows a query at most, of the dataset's; None is all."""
    rate: float = 1.0
    """Times the usual learning rate."""
    decontaminate: bool = False


PLAIN: Mapping[str, Any] = {
    "loss": "ranking", "positives": "one", "negatives": 0, "masking": "known", "merge": 0.0, "batch": 64, "temperature": 0.05
}  # fmt: skip
"""What an arm trains with where it says nothing else; the passes are as many as `hnhub train` takes."""


def _arm(name: str, group: str, says: str, **options: Any) -> Arm:
    own = {key: options.pop(key) for key in ("dataset", "positives_a_query", "rate", "decontaminate") if key in options}
    if "positives_a_query" in own:
        own["positives"] = own.pop("positives_a_query")
    return Arm(name, group, says, train=options, **own)


_TAUGHT = {"candidates": 8}
_BEST = {"loss": "mix", "candidates": 8, "temperature": 0.1}

ARMS: tuple[Arm, ...] = (
    _arm("plain", "plain", "one of the positives a pass, negatives of the batch alone"),
    _arm("best-merge-0.5", "together", "mix at temperature .1, half of the base", **_BEST, merge=0.5),
    _arm("best-merge-0.3", "together", "the same, a third of the base", **_BEST, merge=0.3),
    _arm("mix", "loss", "ranking and KL from BM25's scores, 8 spread candidates", loss="mix", **_TAUGHT),
    _arm("kl", "loss", "KL alone", loss="kl", **_TAUGHT),
    _arm("margin-mse", "loss", "MarginMSE alone", loss="margin-mse", **_TAUGHT),
    _arm("mix-top", "loss", "ranking and KL, BM25's best 5", loss="mix"),
    _arm("merge-0.5", "merge", "half of the base in the weights", merge=0.5),
    _arm("merge-0.7", "merge", "seven tenths of the base", merge=0.7),
    _arm("warm-0.1", "temperature", "temperature .1", temperature=0.1),
    _arm("warm-0.1-merge", "temperature", "temperature .1, half of the base", temperature=0.1, merge=0.5),
    _arm("first-positive", "positives", "only the first positive of a query", positives_a_query=1),
    _arm("all-positives", "positives", "a row for each positive (up to 10)", positives="all"),
    _arm("lsepair", "positives", "up to four positives a row, LSEPair", loss="lsepair"),
    _arm("hard-1", "hard negatives", "1 of BM25's best", negatives=1),
    _arm("hard-3", "hard negatives", "3 of BM25's best", negatives=3),
    _arm("hard-5", "hard negatives", "5 of BM25's best", negatives=5),
    _arm("far-3", "hard negatives", "3 at random", negatives=3, dataset="far"),
    _arm("random-3", "hard negatives", "3 drawn from BM25's best 100", negatives=3, dataset="random"),
    _arm("stratified-3", "hard negatives", "3 of three strata of BM25's best 100", negatives=3, dataset="stratified"),
    _arm("unmasked", "false negatives", "no passage of a batch masked", masking="none"),
    _arm("similar", "false negatives", "masked too: what the base finds nearer", masking="similar"),
    _arm("hard-3-similar", "false negatives", "the same with 3 of BM25's best", masking="similar", negatives=3),
    _arm("rate-quarter", "learning rate", "a quarter of the usual rate", rate=0.25),
    _arm("rate-double", "learning rate", "twice the usual rate", rate=2.0),
    _arm("best-clean", "together", "best-merge-0.5, decontaminated", **_BEST, merge=0.5, decontaminate=True),
)
