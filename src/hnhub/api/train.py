"""`hnhub.train`: a bi-encoder fine-tuned on a run, with what it must not see kept out."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from hnhub.api.inputs import BiEncoder, CorpusLike, model_name, open_corpus, source_of
from hnhub.api.mine import Mined
from hnhub.api.runs import Run, dataset_name
from hnhub.corpus.catalog import CATALOG
from hnhub.encode.models import need_torch, resolve
from hnhub.errors import InputError, UsageError
from hnhub.learn.evaluate import split_of
from hnhub.learn.leaks import check_leaks
from hnhub.learn.options import check_heeded, settings_for
from hnhub.learn.train import train_stage
from hnhub.learn.training_data import load_training_data
from hnhub.progress import showing
from hnhub.stages import check_own
from hnhub.text.table import html_table, text_table

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["TrainOptions", "Training", "train"]

log = logging.getLogger(__name__)


class TrainOptions(TypedDict, total=False):
    """Settings of a training; each one's meaning and default: `hnhub.learn.options.TrainSettings`, docs/learn.md."""

    kind: Literal["bi-encoder", "cross-encoder"]
    loss: Literal["ranking", "lsepair", "mix", "kl", "margin-mse"]
    positives: Literal["all", "one"]
    negatives: int | None
    teacher: Literal["score", "bm25_score", "dense_score", "ce_score"]
    candidates: int | None
    masking: Literal["none", "known", "similar"]
    mix: float
    merge: float
    epochs: float | None
    batch: int
    cached: bool
    mini_batch: int
    learning_rate: float | None
    warmup: float
    temperature: float | None
    teacher_temperature: float | None
    hardness_mode: Literal["in_batch_negatives", "hard_negatives", "all_negatives"] | None
    hardness_strength: float
    matryoshka: tuple[int, ...]
    lora: int | None
    max_length: int | None
    preset: str | None
    query_prefix: str | None
    document_prefix: str | None
    pooling: str | None
    normalise: bool | None
    seed: int
    bf16: bool | None
    gradient_checkpointing: bool
    evaluations: int
    patience: int | None
    reporter: str


@dataclass(frozen=True, repr=False)
class Training:
    """A trained model, and what was recorded of its training."""

    folder: Path
    """A sentence-transformers model, its card, and training.json."""
    facts: Mapping[str, Any]
    """All that training.json holds, as plain data: settings, loss history, leak check, held-out figures."""

    @property
    def held_out(self) -> Mapping[str, Mapping[str, float] | None]:
        """`before` and `after`: nDCG@10 and MRR@10 among the held-out passages; None if nothing was held out."""
        found: Mapping[str, Mapping[str, float] | None] = self.facts["held_out"]
        return found

    def model(self) -> "SentenceTransformer":
        """Load it."""
        from sentence_transformers import SentenceTransformer

        from hnhub.encode.models import quiet_loading

        with quiet_loading():
            return SentenceTransformer(str(self.folder))

    def __repr__(self) -> str:
        return f"{self._title()}\n{text_table(self._rows())}"

    def _repr_html_(self) -> str:
        return html_table(self._rows(), self._title())

    def _title(self) -> str:
        facts = self.facts
        return (
            f"{self.folder}: {facts['base_model']} trained on {facts['trained_rows']:,} rows of {facts['dataset']}, "
            f"{facts['config']}"
        )

    def _rows(self) -> list[tuple[str, ...]]:
        before, after = self.held_out["before"], self.held_out["after"]
        if before is None or after is None:
            return [("nothing was held out",)]
        return [("held out", "before", "after"), *((n, f"{before[n]:.4f}", f"{after[n]:.4f}") for n in before)]


def train(
    data: Run | Mined | str | os.PathLike[str],
    *,
    config: str,
    model: BiEncoder,
    out: str | os.PathLike[str],
    revision: str | None = None,
    rows: int | None = None,
    held_out: float = 0.05,
    tests: Sequence[CorpusLike | tuple[CorpusLike, str]] | None = None,
    corpus_folder: str | os.PathLike[str] | None = None,
    on_leak: Literal["fail", "drop"] = "fail",
    decontaminate: bool = False,
    **options: Unpack[TrainOptions],
) -> Training:
    """Fine-tune a bi-encoder on a config of a run, of what was mined, a dataset's folder or a Hub repository (at `revision`), into the folder `out`.

    `model` is a sentence-transformers id or folder, or a SentenceTransformer: a copy of it is trained, it stays as it is. With
    `kind="cross-encoder"` a re-ranker is trained, of a cross-encoder or of any encoder with a new head.
    The same call goes on from a checkpoint, and returns at once when `out` holds this very model.

    `rows`: train on at most this many, drawn by the seed. `held_out`: the share of the queries held out where there is no dev
    split. `tests` are what it will be tested on, each a corpus (split `test`) or (corpus, split); None is the corpus that the
    data names, read from `corpus_folder` if that is given; where there is no such corpus (of pairs that were mined, say) nothing is looked for, and a warning says so. A training query that equals a test query is an InputError, or with `on_leak="drop"` its rows are left out;
    `decontaminate` leaves out rows whose passage is relevant to a test query as well. Everything else: `TrainOptions`.

    Raises UsageError for settings that make no sense or an `out` that holds something else, InputError for data or a model that there is not, ServiceError if the Hub
    is needed and doesn't answer, MissingExtra without `hnhub[models]`.

    >>> import hnhub
    >>> trained = hnhub.train(
    ...     "runs/tiny", config="bm25", model="models/small", out="models/tuned", epochs=1, batch=4, held_out=0.2
    ... )
    >>> trained.facts["trained_rows"], trained.facts["held_out_rows"]
    (9, 2)
    >>> trained.model().encode(["a query"]).shape
    (1, 32)
    """
    need_torch()
    check_own(Path(out))
    name = model_name(model)
    settings = settings_for(name, **options)
    check_heeded(options, settings)
    source = dataset_name(data.run if isinstance(data, Mined) else data)
    with showing():
        found = load_training_data(
            source,
            config,
            revision=revision,
            distil=settings.scored,
            teacher=settings.teacher,
            candidates=settings.candidates,
            held_out_share=held_out,
            limit=rows,
            seed=settings.seed,
        )
        folder = None if corpus_folder is None else Path(corpus_folder)
        wanted = tests or _own_tests(source, found.corpus, folder)
        splits = [one if isinstance(one, tuple) else (one, "test") for one in wanted]
        judged = [
            split_of(open_corpus(corpus) if folder is None else open_corpus(folder, name=str(corpus)), split)
            for corpus, split in splits
        ]
        checked = check_leaks(found, judged, on_leak=on_leak, decontaminate=decontaminate)
        record = train_stage(Path(out), checked.data, resolve(name), settings, checked.facts)
    return Training(Path(out), record.facts)


def _own_tests(source: str, corpus: str | None, folder: Path | None) -> list[str]:
    """The dataset's own corpus, if there is one to be looked for."""
    if not corpus:
        raise UsageError(
            f"{source}: names no corpus, so there is no test material to look for",
            do='name what you will test on, e.g. tests=["scifact"], or --test-corpus scifact',
        )
    if folder is None and corpus not in CATALOG:
        try:
            source_of(corpus)
        except InputError:
            log.warning(
                "%s: its corpus %s is no known one, so no test queries were looked for; name what you will test on by --test-corpus or --corpus-dir",
                source,
                corpus,
            )
            return []
    return [corpus]
