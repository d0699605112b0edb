"""What the recipe lab tries: each arm is one change of the arm `plain`, but the last group, which puts together what helped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ARMS", "MOST_PASSES", "PLAIN", "RATES", "STEPS", "Arm"]

STEPS, MOST_PASSES = {"static": 40, "minilm": 20}, 20

RATES = {"static": 0.02, "minilm": 2e-5}


@dataclass(frozen=True)
class Arm:
    """One way to train."""

    name: str
    group: str
    says: str
    dataset: str = "top"
    """As `corpora.Material.dataset` knows it; several joined by `+`."""
    config: str = "bm25"
    train: Mapping[str, Any] = field(default_factory=dict)
    positives: int | None = None
    """Rows a query at most, of the dataset's; None is all."""
    rate: float = 1.0
    """Times the usual learning rate."""
    decontaminate: bool = False
    long: bool = False
    """As many steps as `hnhub train` takes, about 120, in place of `STEPS`."""
    seeds: int = 1
    """How many at most."""
    only: str | None = None
    """The one corpus that it is measured on, where the others would take too long."""


PLAIN: Mapping[str, Any] = {
    "loss": "ranking", "positives": "one", "negatives": 0, "masking": "known", "merge": 0.0, "batch": 64, "temperature": 0.05
}  # fmt: skip
"""What an arm trains with where it says nothing else, for about `STEPS` steps."""


_OWN = ("dataset", "config", "positives_a_query", "rate", "decontaminate", "long", "seeds", "only")


def _arm(name: str, group: str, says: str, **options: Any) -> Arm:
    own = {key: options.pop(key) for key in _OWN if key in options}
    if "positives_a_query" in own:
        own["positives"] = own.pop("positives_a_query")
    return Arm(name, group, says, train=options, **own)


_TAUGHT = {"candidates": 8}
_BEST = {"loss": "mix", "candidates": 8, "temperature": 0.1}

_ALL = {"positives": "all"}
_DEFAULT: Mapping[str, Any] = {**_ALL, "negatives": 5, "masking": "similar", "long": True}
_KNOWN: Mapping[str, Any] = {**_DEFAULT, "masking": "known"}

ARMS: tuple[Arm, ...] = (
    _arm("plain", "plain", "one of the positives a pass, negatives of the batch alone", seeds=3),
    _arm("default", "plain", "what `train` does: all positives, 5 of BM25's best, masked by what the base finds nearer, 120 steps", **_DEFAULT, seeds=3),
    _arm("first-positive", "positives", "only the first positive of a query", positives_a_query=1, seeds=3),
    _arm("all-positives", "positives", "a row for each positive", **_ALL, seeds=3),
    _arm("lsepair", "positives", "up to four positives a row, LSEPair", loss="lsepair", seeds=3),
    _arm("hard-1", "hard negatives", "1 of BM25's best", negatives=1, seeds=3),
    _arm("hard-3", "hard negatives", "3 of BM25's best", negatives=3, seeds=3),
    _arm("hard-5", "hard negatives", "5 of BM25's best", negatives=5, seeds=3),
    _arm("random-3", "hard negatives", "3 drawn from BM25's best 100", negatives=3, dataset="random", seeds=3),
    _arm("stratified-3", "hard negatives", "3 of three strata of BM25's best 100", negatives=3, dataset="stratified", seeds=3),
    _arm("cut-3", "hard negatives", "3 of BM25's best, cut at .95 of the positive's score", negatives=3, dataset="cut", seeds=3),
    _arm("judged-3", "hard negatives", "3 of BM25's best, judged by a cross-encoder", negatives=3, dataset="judged", seeds=3),
    _arm("cut-ce-3", "hard negatives", "3 of BM25's best 20, cut at .95 of the cross-encoder's score", negatives=3, dataset="cut-ce", seeds=3),
    _arm("ce-3", "hard negatives", "the cross-encoder's 3 best of BM25's best 20, cut so", negatives=3, dataset="scored", config="ce", seeds=3),
    _arm("mix-ce", "loss", "ranking and KL from the cross-encoder's scores, 8 spread candidates", loss="mix", teacher="ce_score", candidates=8,
         dataset="cut-ce", seeds=3),
    _arm("kl-ce", "loss", "KL from the cross-encoder's scores alone", loss="kl", teacher="ce_score", candidates=8, dataset="cut-ce", seeds=3),
    _arm("unmasked", "false negatives", "no passage of a batch masked", masking="none"),
    _arm("similar", "false negatives", "masked too: what the base finds nearer", masking="similar", seeds=3),
    _arm("hard-1-similar", "false negatives", "the same with 1 of BM25's best", masking="similar", negatives=1, seeds=3),
    _arm("mix", "loss", "ranking and KL from BM25's scores, 8 spread candidates", loss="mix", **_TAUGHT, seeds=3),
    _arm("kl", "loss", "KL alone", loss="kl", **_TAUGHT, seeds=3),
    _arm("margin-mse", "loss", "MarginMSE alone", loss="margin-mse", **_TAUGHT, seeds=3),
    _arm("long", "steps", "120 steps", long=True, seeds=3),
    _arm("warm", "temperature", "temperature .1", temperature=0.1),
    _arm("rate-quarter", "learning rate", "a quarter of the usual rate", rate=0.25),
    _arm("rate-double", "learning rate", "twice the usual rate", rate=2.0),
    _arm("all-fast", "learning rate", "all positives, five times the usual rate", **_ALL, rate=5.0, seeds=3),
    _arm("merge", "merge", "half of the base in the weights", merge=0.5, seeds=3),
    _arm("all-merge", "together", "all positives, half of the base", **_ALL, merge=0.5, seeds=3),
    _arm("default-merge", "together", "`default`, half of the base", **_DEFAULT, merge=0.5, seeds=3),
    _arm("default-0", "together", "`default` without hard negatives", **{**_DEFAULT, "negatives": 0}, seeds=3),
    _arm("default-1", "together", "`default` with 1 hard negative", **{**_DEFAULT, "negatives": 1}, seeds=3),
    _arm("default-clean", "together", "`default`, decontaminated", **_DEFAULT, decontaminate=True, seeds=3),
    _arm("default-merge-clean", "together", "`default-merge`, decontaminated", **_DEFAULT, merge=0.5, decontaminate=True, seeds=3),
    _arm("known", "together", "`default` with known positives alone masked", **_KNOWN, seeds=3),
    _arm("known-merge", "together", "the same, half of the base", **_KNOWN, merge=0.5, seeds=3),
    _arm("known-0", "together", "`known` without hard negatives", **{**_KNOWN, "negatives": 0}, seeds=3),
    _arm("known-1", "together", "`known` with 1 hard negative", **{**_KNOWN, "negatives": 1}, seeds=3),
    _arm("known-clean", "together", "`known`, decontaminated", **_KNOWN, decontaminate=True, seeds=3),
    _arm("known-merge-clean", "together", "`known-merge`, decontaminated", **_KNOWN, merge=0.5, decontaminate=True, seeds=3),
    _arm("known-mix", "together", "`known` with `mix`", **_KNOWN, loss="mix"),
    _arm("known-mix-merge", "together", "`known` with `mix`, half of the base", **_KNOWN, loss="mix", merge=0.5),
    _arm("all-mix-merge", "together", "all positives, mix with 8 at temperature .1, half of the base", **_BEST, **_ALL, merge=0.5, seeds=3),
    _arm("all-mix", "together", "all positives, mix with 8 at temperature .1", **_BEST, **_ALL),
    _arm("titles", "titles", "all-mix-merge on titles, without any judgement", **_BEST, **_ALL, merge=0.5, dataset="titles", seeds=3),
    _arm("both", "titles", "all-mix-merge on judged queries and titles", **_BEST, **_ALL, merge=0.5, dataset="top+titles", seeds=3),
)  # fmt: skip
