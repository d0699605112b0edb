"""`hnhub.evaluate`: anything that ranks a corpus's documents, measured over every judged query."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnhub.api.inputs import BiEncoder, CorpusLike, Reranker, model_name, open_corpus
from hnhub.encode.devices import chosen_dtype
from hnhub.encode.models import held, need_torch, resolve
from hnhub.errors import UsageError
from hnhub.home import home
from hnhub.learn.evaluate import Evaluation, Judged, depth_for, retrieve, split_of
from hnhub.learn.evaluate import evaluate as evaluate_run
from hnhub.learn.metrics import DEFAULT_MEASURES, check_measures
from hnhub.learn.runs import Run, read_run, run_of_mapping
from hnhub.progress import showing
from hnhub.records import Precision

if TYPE_CHECKING:
    from hnhub.api.runs import Run as BuiltRun

__all__ = ["evaluate"]


def evaluate(
    model: BiEncoder,
    corpus: CorpusLike,
    *,
    split: str = "test",
    measures: Sequence[str] = DEFAULT_MEASURES,
    run: str | os.PathLike[str] | Mapping[str, Mapping[str, float]] | None = None,
    rerank: Reranker | None = None,
    depth: int | None = None,
    preset: str | None = None,
    query_prefix: str | None = None,
    document_prefix: str | None = None,
    max_length: int | None = None,
    precision: Precision = "auto",
    mteb_prompts: bool = False,
    trained_on: "str | os.PathLike[str] | BuiltRun | None" = None,
    config: str | None = None,
) -> Evaluation:
    """Rank a corpus's documents for every judged query of a split, and score the ranking.

    `model` is a sentence-transformers id or folder, a SentenceTransformer (used as it is: its own prompts, dtype, device and
    maximum length), or `bm25`. `corpus` is whatever `open_corpus` takes as a name or a path, or what it returned. With `run`,
    a TREC run file or query id -> document id -> score, that is scored instead, and `model` is only its name.

    `measures`: nDCG, P, Recall, MRR and MAP with any cut-off, equal to trec_eval's; any other is computed by ir_measures.
    `rerank`: a cross-encoder orders each query's best `depth` documents anew. `depth`: documents a query; None is the largest
    cut-off, at least 100. `preset` (e5, gte, bert, plain) and the prefixes take the place of what is saved with the model;
    `max_length` is in tokens. `precision` (auto, fp32, bf16) is what `model` and `rerank` compute in; auto is bf16 where the device
    gains from it, and mteb's own figures are fp32's. `mteb_prompts` takes those that mteb gives the model on this task, an
    instruction among them, where no prefix says otherwise (needs `hnhub[mteb]`). `trained_on` and `config` name training data (a run, a folder or a Hub id): figures are then also
    given without the queries whose relevant passages it trains on.

    Embeddings and indexes are kept in HNHUB_HOME, by what they are made from. Raises UsageError, InputError for a model, corpus
    or split that there is not, ServiceError if the Hub is needed and doesn't answer, MissingExtra without `hnhub[models]`.

    >>> import hnhub
    >>> corpus = hnhub.open_corpus(
    ...     {"d1": "Kettles boil water.", "d2": "Rivers carry water."},
    ...     name="water", queries={"q1": "what boils water?"}, qrels={"q1": ["d1"]},
    ... )
    >>> hnhub.evaluate("bm25", corpus, measures=["nDCG@10", "MRR@10"])
    bm25 on water, test: 1 queries
    measure     all
    nDCG@10  1.0000
    MRR@10   1.0000
    """
    if (trained_on is None) != (config is None):
        raise UsageError("training data is named by trained_on and config together", do="give both")
    check_measures(measures)
    if run is not None or model == "bm25":
        _check_unencoded(
            "bm25" if run is None else "a run",
            preset=preset,
            query_prefix=query_prefix,
            document_prefix=document_prefix,
            max_length=max_length,
            mteb_prompts=mteb_prompts or None,
            precision=None if precision == "auto" or rerank is not None else precision,
        )
    if (run is None and model != "bm25") or rerank is not None:
        need_torch()
    with showing():
        test = split_of(open_corpus(corpus), split)
        name, reranker = model_name(model), None if rerank is None else model_name(rerank, "CrossEncoder")
        seen = None if trained_on is None else _contaminated(trained_on, str(config), test)
        wanted = depth or depth_for(measures)
        settings: dict[str, Any] = {"depth": wanted}
        if run is not None:
            ranked = run_of_mapping(run) if isinstance(run, Mapping) else read_run(Path(run))
        elif name == "bm25":
            from hnhub.learn.search import LexicalSearcher

            ranked = retrieve(LexicalSearcher.open(test, home() / "bm25"), test, wanted)
        else:
            prompts = {"preset": preset, "query_prompt": query_prefix, "document_prompt": document_prefix}
            if mteb_prompts:
                prompts = _as_mteb(name, test, prompts)
            ranked, identity = _dense(
                name, test, wanted, {**prompts, "max_length": max_length, "dtype": chosen_dtype(precision)}
            )
            settings |= identity
        if reranker is not None:
            ranked, settings["reranker"] = _reranked(ranked, test, reranker, precision, wanted)
        label = " + ".join(_label(part) for part in (name, reranker) if part is not None)
        return evaluate_run(ranked, test, model=label, measures=measures, contaminated=seen, settings=settings)


def _check_unencoded(ranked_by: str, **of_encoders: object) -> None:
    """Raise UsageError for an option of encoders that is given (not None) where nothing is encoded."""
    if given := [name for name, value in of_encoders.items() if value is not None]:
        raise UsageError(
            f"{given[0]} does nothing with {ranked_by}", do=f"leave out {given[0]}, or evaluate a bi-encoder"
        )


def _dense(name: str, test: Judged, depth: int, options: Mapping[str, Any]) -> tuple[Run, dict[str, Any]]:
    from hnhub.encode.encoder import Encoder
    from hnhub.learn.search import DenseSearcher

    encoder = Encoder(name, **options)
    return retrieve(DenseSearcher.open(encoder, test.documents, home() / "embeddings"), test, depth), encoder.identity()


def _as_mteb(name: str, test: Judged, prompts: Mapping[str, str | None]) -> dict[str, str | None]:
    from hnhub.learn.mteb_task import prompts_of, task_of

    query, document = prompts_of(name, task_of(test).metadata)
    given_query, given_document = prompts["query_prompt"], prompts["document_prompt"]
    return {
        "preset": prompts["preset"] or "plain",
        "query_prompt": query if given_query is None else given_query,
        "document_prompt": document if given_document is None else given_document,
    }


def _reranked(run: Run, test: Judged, name: str, precision: Precision, depth: int) -> tuple[Run, dict[str, str]]:
    from hnhub.learn.search import rerank, score_by
    from hnhub.score.scorers import find_reference

    return rerank(run, test, score_by(name, precision), depth), find_reference(name).identity()


def _contaminated(trained_on: "str | os.PathLike[str] | BuiltRun", config: str, test: Judged) -> frozenset[str]:
    from hnhub.api.runs import dataset_name
    from hnhub.learn.leaks import find_leaks
    from hnhub.learn.training_data import load_training_data

    data = load_training_data(dataset_name(trained_on), config, held_out_share=0)
    return find_leaks(data.rows["query"].to_list(), data.rows["positive"].to_list(), test).contaminated


def _label(model: str) -> str:
    """Never a path of this machine."""
    if held(model) is not None:
        return resolve(model).name
    return Path(model).resolve().name if Path(model).is_dir() else model
