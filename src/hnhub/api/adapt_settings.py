"""Every decision of an adaptation, checked before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hnhub.api.build import MakingOptions
from hnhub.api.train import TrainOptions
from hnhub.errors import UsageError
from hnhub.learn.metrics import check_measures
from hnhub.learn.options import DISTILLED, check_heeded, settings_for
from hnhub.learn.statistics import check_margin
from hnhub.pipeline.miners import candidate_sources
from hnhub.records import METHODS, MiningOptions, Recipe
from hnhub.text.options import check_options

__all__ = [
    "MEASURES",
    "MOST_PER_PASSAGE",
    "POINTS",
    "QUERIES",
    "STYLES",
    "TRAIN",
    "AdaptOptions",
    "Settings",
    "settled",
]

QUERIES = 1000
"""Written to train on where nothing else is said."""

MEASURES = ("nDCG@10", "MRR@10", "Recall@100")
"""The first one is what the verdict is about."""

STYLES = {"question": 0.4, "keyword": 0.3, "claim": 0.3}
"""Written where nothing else is said: mixed types of queries train better than any one (CADET, arXiv 2505.19274)."""

TRAIN: TrainOptions = {"epochs": 3.0, "merge": 0.5}
"""Of the training where nothing else is said. What half of the untrained weights is worth: docs/adapt.md."""

POINTS = 7
"""What a query needs of the judge's 10, where nothing else is said and the LLM is not the embedded one, which can't judge."""

MOST_PER_PASSAGE = 3


class AdaptOptions(MiningOptions, MakingOptions, total=False):
    """Options of the data that is made, as in `hnhub.build`."""

    queries: int
    """To train on. By default 1,000; those for dev are as many for each passage."""
    per_passage: int
    """By default as many as it takes for `queries`, at most 3."""
    query_judge: int | None
    """By default 7, and none with the embedded model."""
    round_trip: int | None
    positives: int | None
    negatives: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All decisions, checked."""

    method: str
    llm: str | Sequence[str] | None
    train: TrainOptions
    seeds: tuple[int, ...]
    test_share: float
    dev_share: float
    test_queries: int
    judged: Literal["apart", "mixed"]
    measures: tuple[str, ...]
    margin: float
    options: AdaptOptions

    @property
    def seed(self) -> int:
        """Of split and queries."""
        return self.options.get("seed", 0)


def settled(
    options: AdaptOptions,
    *,
    method: str = "bm25",
    llm: str | Sequence[str] | None = None,
    train: TrainOptions | None = None,
    seeds: Sequence[int] = (0,),
    test_share: float = 0.15,
    dev_share: float = 0.05,
    test_queries: int = 300,
    judged: Literal["apart", "mixed"] = "apart",
    measures: Sequence[str] = MEASURES,
    margin: float = 0.01,
) -> Settings:
    """Everything that can be checked before anything runs. Raises UsageError."""
    check_options(options, AdaptOptions)
    check_options(train or {}, TrainOptions, where="train: ")
    if (train or {}).get("kind", "bi-encoder") != "bi-encoder":
        raise UsageError("only bi-encoders are adapted", do="train a cross-encoder on the dataset by `hnhub train`")
    if method not in METHODS:
        raise UsageError(f"{method!r} is no method", do=f"choose among {', '.join(METHODS)}")
    test, dev = test_share, dev_share
    if not (0 < test < 1 and 0 <= dev < 1 and test + dev < 1):
        raise UsageError(
            f"shares of {test:g} for test and {dev:g} for dev leave nothing", do="give, say, 0.15 and 0.05"
        )
    if test_queries < 2 or not seeds or len(set(seeds)) != len(seeds) or not measures:
        raise UsageError("test queries, seeds or measures are missing", do="give 2 queries or more, and each seed once")
    check_measures(measures)
    if judged not in ("apart", "mixed"):
        raise UsageError(f"judged = {judged!r} is none of its values", do="give apart or mixed")
    check_margin(margin)
    _check_training(method, options, train or {})
    return Settings(
        method=method,
        llm=llm,
        train={**TRAIN, **(train or {})},
        seeds=tuple(seeds),
        test_share=test,
        dev_share=dev,
        test_queries=test_queries,
        judged=judged,
        measures=tuple(measures),
        margin=margin,
        options=options,
    )


def _check_training(method: str, options: AdaptOptions, train: TrainOptions) -> None:
    """Raise UsageError for what would show only when the queries are paid for."""
    if "seed" in train:
        raise UsageError("train: a training's seed is one of seeds", do="give the number of trainings by seeds")
    check_heeded(train, settings_for("", **train))
    teacher = train.get("teacher", "score")
    if train.get("loss") not in DISTILLED:
        return
    if teacher == "score":
        scored = METHODS[method].graded or not METHODS[method].written
    else:
        recipe = Recipe(corpus="", methods=(method,), bi_encoder=options.get("bi_encoder"))
        scored = teacher.removesuffix("_score") in candidate_sources(recipe)
    if not scored:
        raise UsageError(
            f"train: loss {train['loss']!r} learns from {teacher}, and {method} has none", do="train with loss ranking"
        )
