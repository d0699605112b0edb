"""Every decision of a training, in one place. What each was measured to be worth: docs/recipes.md."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hnhub.encode.presets import find_preset
from hnhub.errors import UsageError
from hnhub.text.options import check_options

__all__ = ["DISTILLED", "LOSSES", "TrainSettings", "check_heeded", "settings_for"]

LOSSES = ("ranking", "lsepair", "mix", "kl", "margin-mse")
"""Contrastive (cross-entropy over the batch; LSEPair over several positives), distilled from a scored config (listwise KL
divergence, MarginMSE), or both (`mix`)."""

_CONTRASTED = ("ranking", "lsepair", "mix")
"""The losses that tell a query's positives from the batch's other passages."""

DISTILLED = ("mix", "kl", "margin-mse")
"""The losses that need the scores of `<config>-scored`."""

_HEEDED_BY = {
    "negatives": ("ranking", "lsepair"),
    "candidates": DISTILLED,
    "teacher": DISTILLED,
    "teacher_temperature": DISTILLED,
    "mix": ("mix",),
    "masking": _CONTRASTED,
}
"""Settings that only these losses look at."""

_OF_BI_ENCODERS = (
    "masking",
    "temperature",
    "cached",
    "query_prefix",
    "document_prefix",
    "pooling",
    "normalise",
    "gradient_checkpointing",
)
"""Settings that a cross-encoder's training does not look at. What it can't do at all, TrainSettings refuses itself."""

_STEPS, _MOST_PASSES = 120, 20

_LEAST = {"negatives": 0, "candidates": 1, "lora": 1, "max_length": 1, "seed": 0, "evaluations": 0, "patience": 1}
"""Whole numbers, and the least that each may be."""

_RERANKED = ("ranking", "kl", "margin-mse")
"""The losses of a cross-encoder."""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Every decision of a training. `settings_for` fills in what a preset says."""

    kind: Literal["bi-encoder", "cross-encoder"] = "bi-encoder"
    loss: Literal["ranking", "lsepair", "mix", "kl", "margin-mse"] = "ranking"
    positives: Literal["all", "one"] = "all"
    """`all`: a row for each positive. `one`: each pass sees a query once, with another of its positives."""
    negatives: int | None = None
    """Hard negatives of a row, at most; None is all that the config has, 0 leaves those of the batch."""
    teacher: Literal["score", "bm25_score", "dense_score", "ce_score"] = "score"
    """Whose scores are distilled: the config's own, or those of another scorer of the same build."""
    candidates: int | None = None
    """Scored passages of a row that are distilled, drawn evenly over the scores; None is the chosen negatives."""
    masking: Literal["none", "known", "similar"] = "similar"
    """What of a batch is no negative of a query: nothing; its known positives and their near copies; or also what the
    model finds nearer than the positive before it is trained (as GISTEmbed does)."""
    mix: float = 0.5
    """Weight of the distillation in `mix`; the ranking has the rest."""
    merge: float = 0.0
    """Weight of the model before training in the average of weights that is saved; 0 is the trained model alone."""
    epochs: float | None = None
    """Passes over the queries' rows; None: as many as give about 120 steps, from 1 to 20."""
    batch: int = 64
    """Rows a step and device. Each query is told apart from every passage of its batch, so larger is harder."""
    cached: bool = True
    """GradCache (Gao et al. 2021): memory for `mini_batch` rows only, at the price of a second forward pass."""
    mini_batch: int = 16
    learning_rate: float | None = None
    """None: 0.02 for static embeddings, 2e-5 for a transformer."""
    warmup: float = 0.1
    """Share of the steps."""
    temperature: float
    teacher_temperature: float | None = None
    """The teacher's scores are divided by it; None: by their spread within a row."""
    hardness_mode: Literal["in_batch_negatives", "hard_negatives", "all_negatives"] | None = None
    """Which negatives weigh more the nearer they are, as in sentence-transformers; None: none."""
    hardness_strength: float = 5.0
    matryoshka: tuple[int, ...] = ()
    """Dimensions at which the loss is taken as well; include the full one."""
    lora: int | None = None
    """Rank of low-rank adapters that are trained instead of the weights, and folded into them at the end."""
    max_length: int | None = None
    preset: str = "plain"
    query_prefix: str | None = None
    """None, for both: what is saved with the model, else the preset's."""
    document_prefix: str | None = None
    pooling: str | None = None
    normalise: bool | None = None
    seed: int = 0
    bf16: bool | None = None
    """None: where the device has units for it."""
    gradient_checkpointing: bool = False
    evaluations: int = 0
    """How often the held-out loss is measured and a checkpoint kept; the best one becomes the model. 0: never."""
    patience: int | None = None
    """Stop after so many evaluations without a better held-out loss."""
    reporter: str = "none"
    """`trackio`, `wandb`, `tensorboard` or any other that the trainer knows."""

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UsageError(f"no loss {self.loss!r}", do=f"use one of: {', '.join(LOSSES)}")
        above = (
            self.batch,
            self.mini_batch,
            self.temperature,
            self.epochs,
            self.learning_rate,
            self.teacher_temperature,
        )
        if not all(0 < one < math.inf for one in above if one is not None):
            raise UsageError(
                "batch, mini batch, epochs, learning rate and temperatures must be above 0", do="correct the settings"
            )
        if not 0 <= self.warmup <= 1:
            raise UsageError(f"warmup {self.warmup} is no share of the steps", do="give one from 0 to 1")
        for name, least in _LEAST.items():
            if (value := getattr(self, name)) is not None and not least <= value < 2**32:
                raise UsageError(f"{name} {value} makes no sense", do=f"give {least} or more")
        if not (0 <= self.merge < 1 and 0 < self.mix < 1):
            raise UsageError(
                f"merge {self.merge} or mix {self.mix} is no share", do="give a merge from 0 to below 1, a mix between"
            )
        if self.patience is not None and not self.evaluations:
            raise UsageError("early stopping needs evaluations", do="set evaluations, e.g. to 10")
        if self.kind == "cross-encoder" and self.loss not in _RERANKED:
            raise UsageError(
                f"a cross-encoder has no loss {self.loss!r}",
                do=f"use {', '.join(_RERANKED[:-1])} or {_RERANKED[-1]}, or train a bi-encoder",
            )
        if self.kind == "cross-encoder" and (self.matryoshka or self.lora or self.hardness_mode or self.merge):
            raise UsageError(
                "a cross-encoder takes no matryoshka, lora, hardness or merge",
                do="leave them out, or train a bi-encoder",
            )

    @property
    def scored(self) -> bool:
        """Whether rows come with a teacher's scores."""
        return self.loss in DISTILLED

    @property
    def contrasted(self) -> bool:
        """Whether queries are told apart from a batch's passages, so that `masking` says something."""
        return self.kind == "bi-encoder" and self.loss in _CONTRASTED

    @property
    def guided(self) -> bool:
        """Whether the model encodes every text before it is trained, to mask by."""
        return self.contrasted and self.masking == "similar"

    @property
    def cost(self) -> int:
        """Of training on a text once, assumed, in encodings of it: forward, and twice that backward; one more where it is cached."""
        return 3 + self.cached

    def passes(self, rows: int, processes: int = 1) -> float:
        """The epochs; where none are given, so many that a small dataset is seen often and a large one once."""
        if self.epochs is not None:
            return self.epochs
        return float(min(_MOST_PASSES, max(1, math.ceil(_STEPS * self.batch * processes / max(1, rows)))))


def settings_for(model: str, preset: str | None = None, **given: Any) -> TrainSettings:
    """The preset's settings for a model, with those that are `given` (and not None) in their place.

    Raises UsageError for a setting that there is not, or of another type.
    """
    found = find_preset(model, preset)
    known = set(TrainSettings.__dataclass_fields__)
    if unknown := [name for name in given if name not in known]:
        raise UsageError(f"no training setting {unknown[0]!r}", do=f"use one of: {', '.join(sorted(known))}")
    values = {name: getattr(found, name) for name in ("temperature", "pooling", "normalise", "max_length")}
    values |= {name: value for name, value in given.items() if value is not None}
    if isinstance(values.get("matryoshka"), list):
        values["matryoshka"] = tuple(values["matryoshka"])
    if values.get("loss", LOSSES[0]) in LOSSES:  # a wrong loss has a message of its own
        check_options(values, TrainSettings)
    return TrainSettings(preset=found.name, **values)


def check_heeded(given: Mapping[str, Any], *trainings: TrainSettings) -> None:
    """Raise UsageError for a given setting that none of these trainings does anything with. A default says nothing, given or not."""
    for name, value in given.items():
        if value in (None, TrainSettings.__dataclass_fields__[name].default):
            continue
        losses = _HEEDED_BY.get(name, LOSSES)
        if not any(one.loss in losses for one in trainings):
            ignoring = " or ".join(sorted({one.loss for one in trainings}))
            raise UsageError(
                f"{name} does nothing with loss {ignoring}",
                do=f"leave out {name}, or train with loss {' or '.join(losses)}",
            )
        if name in _OF_BI_ENCODERS and all(one.kind == "cross-encoder" for one in trainings):
            raise UsageError(f"{name} does nothing with a cross-encoder", do=f"leave out {name}, or train a bi-encoder")
