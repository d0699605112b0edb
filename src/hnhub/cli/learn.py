"""`hnhub train`, `hnhub evaluate`, `hnhub compare`: parse, call, print."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hnhub.cli.options import as_json, stack
from hnhub.cli.watch import watching
from hnhub.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hnhub.learn.evaluate import Judged, Searcher
    from hnhub.learn.runs import Run

__all__ = ["compare", "evaluate", "train"]

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_LOSSES = ("ranking", "margin-mse", "kl")
_PRESETS = ("e5", "gte", "bert", "plain")

_prefixes = stack(
    click.option(
        "--preset", type=click.Choice(_PRESETS), help="How the model's family is used.  [default: by its name]"
    ),
    click.option(
        "--query-prefix", help="Before every query.  [default: what is saved with the model, else the preset's]"
    ),
    click.option("--document-prefix", help="Before every passage.  [default: likewise]"),
    click.option("--max-length", type=click.IntRange(1), help="Tokens of a text."),
)


@click.command()
@click.argument("dataset")
@click.option("--config", required=True, help="The method whose rows are trained on, e.g. bm25.")
@click.option("--model", required=True, metavar="MODEL", help="A sentence-transformers id or folder.")
@click.option("--out", required=True, type=_FOLDER, help="Where the trained model goes.")
@click.option("--revision", help="Of the dataset on the Hub.")
@_prefixes
@click.option("--pooling", type=click.Choice(["mean", "cls"]), help="How token vectors become one.")
@click.option("--normalise/--no-normalise", default=None, help="Vectors of length 1.")
@click.option("--temperature", type=float, help="Similarities are divided by it in the loss.")
@click.option(
    "--loss",
    type=click.Choice(_LOSSES),
    default="ranking",
    show_default=True,
    help="margin-mse and kl distil CONFIG-scored.",
)
@click.option("--teacher-temperature", type=float, help="kl: the teacher's scores are divided by it.")
@click.option("--epochs", type=float, default=1.0, show_default=True, help="Passes over the rows.")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Rows a step and device.")
@click.option("--mini-batch", type=click.IntRange(1), default=16, show_default=True, help="Rows in memory at once.")
@click.option(
    "--cached/--not-cached", default=True, show_default=True, help="Large batches in little memory, for time."
)
@click.option("--learning-rate", type=float, help="[default: 2e-5]")
@click.option("--warmup", type=float, default=0.1, show_default=True, help="Share of the steps.")
@click.option("--bf16/--no-bf16", default=None, help="[default: where the device has units for it]")
@click.option("--gradient-checkpointing", is_flag=True, help="Less memory, more time.")
@click.option("--rows", type=click.IntRange(1), help="Train on at most this many rows, drawn by the seed.")
@click.option(
    "--held-out",
    type=float,
    default=0.05,
    show_default=True,
    help="Share of the queries held out, if there is no dev split.",
)
@click.option(
    "--evaluations",
    type=click.IntRange(0),
    default=0,
    help="Measure the held-out loss so often and keep the best model.",
)
@click.option("--patience", type=click.IntRange(1), help="Stop after so many evaluations without a better loss.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is drawn.")
@click.option("--reporter", default="none", show_default=True, help="trackio, wandb, tensorboard, ...")
@click.option(
    "--test-corpus",
    "test_corpora",
    multiple=True,
    metavar="NAME[:SPLIT]",
    help="What must not be trained on; repeatable.  [default: the dataset's own corpus, split test]",
)
@click.option("--corpus-dir", type=_FOLDER, help="Read the (one) test corpus from this folder.")
@click.option(
    "--on-leak",
    type=click.Choice(["fail", "drop"]),
    default="fail",
    show_default=True,
    help="What becomes of rows whose query is a test query.",
)
@click.option("--decontaminate", is_flag=True, help="Leave out rows whose passage is relevant to a test query.")
@as_json
def train(dataset: str, config: str, model: str, out: Path, as_json: bool, **options: Any) -> None:
    """Train a retriever on DATASET (a Hub repository or a dataset folder). The same command goes on from a checkpoint."""
    from hnhub.encode.models import resolve
    from hnhub.learn.evaluate import open_split
    from hnhub.learn.leaks import check_leaks
    from hnhub.learn.train import TrainSettings, settings_for, train_stage
    from hnhub.learn.training_data import load_training_data

    names = set(TrainSettings.__dataclass_fields__)
    settings = settings_for(model, **{k: v for k, v in options.items() if k in names})
    ref = resolve(model)
    with watching():
        data = load_training_data(
            dataset,
            config,
            revision=options["revision"],
            distil=settings.loss != "ranking",
            held_out_share=options["held_out"],
            limit=options["rows"],
            seed=settings.seed,
        )
        wanted = options["test_corpora"] or ([data.corpus] if data.corpus else [])
        if not wanted:
            raise UsageError(
                f"{dataset}: names no corpus, so there is no test material to look for",
                do="name what you will test on, e.g. --test-corpus scifact",
            )
        splits = [name.partition(":")[::2] for name in wanted]
        tests = [open_split(name, split or "test", options["corpus_dir"]) for name, split in splits]
        checked = check_leaks(data, tests, on_leak=options["on_leak"], decontaminate=options["decontaminate"])
        record = train_stage(out, checked.data, ref, settings, checked.facts)
    facts = dict(record.facts)
    if os.environ.get("RANK", "0") != "0":
        return  # under torchrun one process speaks
    if as_json:
        click.echo(json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False))
        return
    click.echo(
        f"{out}: {facts['base_model']} trained on {facts['trained_rows']:,} rows of {facts['dataset']}, {config}"
    )
    if (held := facts["held_out"])["before"]:
        for name, before in held["before"].items():
            click.echo(f"  held-out {name}: {before:.4f} before, {held['after'][name]:.4f} after")


@click.command()
@click.argument("model", required=False)
@click.option("--corpus", required=True, help="A name of the catalog, a Hub dataset, or any name with --corpus-dir.")
@click.option("--corpus-dir", type=_FOLDER, help="Read the corpus from this folder.")
@click.option("--split", default="test", show_default=True, help="The judged split to evaluate on.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="nDCG@10, MRR@10, MAP@100, or any of ir_measures; repeatable.  [default: nDCG@10 P@10 Recall@100]",
)
@click.option("--from-run", type=_FILE, help="Score this TREC run file; MODEL is then only its name.")
@click.option("--rerank", metavar="ID|local", help="Re-rank MODEL's best documents by this cross-encoder.")
@click.option(
    "--depth", type=click.IntRange(1), help="Documents a query.  [default: the largest cut-off, at least 100]"
)
@_prefixes
@click.option(
    "--trained-on", metavar="DATASET", help="Also score without the queries whose relevant passages it trains on."
)
@click.option("--config", help="Of --trained-on.")
@click.option("--run", "run_file", type=_FILE, help="Write the run here, in TREC format.")
@click.option("--out", type=_FOLDER, help="Write run, per-query scores and figures into this folder.")
@as_json
def evaluate(model: str | None, corpus: str, split: str, as_json: bool, **options: Any) -> None:
    """Evaluate MODEL (a sentence-transformers id or folder, or `bm25`) or a run file, over every judged query."""
    from hnhub.learn.evaluate import depth_for, open_split, write_evaluation
    from hnhub.learn.evaluate import evaluate as score_run
    from hnhub.learn.leaks import find_leaks
    from hnhub.learn.metrics import DEFAULT_MEASURES
    from hnhub.learn.runs import write_run
    from hnhub.learn.training_data import load_training_data

    if model is None and options["from_run"] is None:
        raise UsageError("nothing to evaluate", do="give a MODEL, `bm25` or --from-run FILE")
    if bool(options["trained_on"]) != bool(options["config"]):
        raise UsageError("--trained-on and --config go together", do="give both")
    measures = options["metrics"] or DEFAULT_MEASURES
    with watching():
        test = open_split(corpus, split, options["corpus_dir"])
        contaminated = None
        if options["trained_on"]:
            seen = load_training_data(options["trained_on"], options["config"], held_out_share=0)
            contaminated = find_leaks(seen.rows["query"].to_list(), seen.rows["positive"].to_list(), test).contaminated
        run, settings = _run(model, test, options["depth"] or depth_for(measures), options)
        name = _name(model, options)
        found = score_run(run, test, model=name, measures=measures, contaminated=contaminated, settings=settings)
    if options["run_file"]:
        write_run(options["run_file"], found.run, tag=name)
    if options["out"]:
        write_evaluation(options["out"], found)
    result = found.as_json()
    click.echo(json.dumps(result, indent=1, ensure_ascii=False) if as_json else _table(result))


@click.command()
@click.argument("plan", type=_FILE)
@click.option("--out", type=_FOLDER, help="[default: runs/compare/<the plan's name>]")
@as_json
def compare(plan: Path, out: Path | None, as_json: bool) -> None:
    """Train and evaluate what PLAN (a TOML file) says, and say what may be concluded. Goes on from what is there."""
    from hnhub.home import home
    from hnhub.learn.compare import compare as carry_out
    from hnhub.learn.plan import read_plan
    from hnhub.learn.report import render_results, write_results
    from hnhub.stages import lock

    checked = read_plan(plan)
    folder = out or Path("runs", "compare", plan.stem)
    with lock(folder), watching():
        results = carry_out(checked, folder, home() / "embeddings", _bm25)
        write_results(folder, results)
    click.echo(json.dumps(results, indent=1, ensure_ascii=False) if as_json else render_results(results))


def _run(model: str | None, test: "Judged", depth: int, options: dict[str, Any]) -> "tuple[Run, dict[str, Any]]":
    """The run to score, and what it depends on."""
    from hnhub.encode.encoder import Encoder
    from hnhub.home import home
    from hnhub.learn.evaluate import retrieve
    from hnhub.learn.runs import read_run
    from hnhub.learn.search import DenseSearcher, rerank

    settings: dict[str, Any] = {"depth": depth}
    if options["from_run"]:
        run = read_run(options["from_run"])
    elif model == "bm25":
        run = retrieve(_bm25(test), test, depth)
    else:
        assert model is not None
        encoder = Encoder(
            model,
            preset=options["preset"],
            query_prompt=options["query_prefix"],
            document_prompt=options["document_prefix"],
            max_length=options["max_length"],
        )
        settings |= encoder.identity()
        run = retrieve(DenseSearcher.open(encoder, test.documents, home() / "embeddings"), test, depth)
    if options["rerank"]:
        from hnhub.score.scorers import find_reference

        settings["reranker"] = find_reference(options["rerank"]).identity()
        run = rerank(run, test, _pair_scores(options["rerank"]), depth)
    return run, settings


def _bm25(test: "Judged") -> "Searcher":
    from hnhub.bm25.open import open_index
    from hnhub.home import home

    index = open_index(test.documents, home() / "bm25")

    class BM25:
        document_ids: Sequence[str] = index.document_ids.to_pylist()

        def search(self, texts: Sequence[str], k: int) -> "tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]":
            return index.search(texts, k)

    return BM25()


def _pair_scores(cross_encoder: str) -> "Callable[[Sequence[tuple[str, str]]], npt.NDArray[np.floating]]":
    """A cross-encoder as a function of pairs; `local` is query likelihood under the embedded LLM."""
    import numpy as np

    from hnhub.encode.devices import devices, token_budget
    from hnhub.score.scorers import load_scorers

    device = devices()[0]
    scorer = load_scorers(cross_encoder)[0]

    def score(pairs: Sequence[tuple[str, str]]) -> "npt.NDArray[np.floating]":
        scores = np.empty(len(pairs))
        for batch in scorer.batches(pairs, token_budget(device)):
            scores[batch] = scorer.score([pairs[i] for i in batch])
        return scores

    return score


def _name(model: str | None, options: dict[str, Any]) -> str:
    parts = [model or options["from_run"].stem, *([options["rerank"]] if options["rerank"] else [])]
    return " + ".join(Path(part).resolve().name if Path(part).is_dir() else part for part in parts)


def _table(result: dict[str, Any]) -> str:
    lines = [f"{result['model']} on {result['corpus']}, {result['split']}: {result['queries']:,} queries"]
    clean = result.get("clean")
    if clean:
        lines.append(f"{'':14} {'all':>8} {'clean':>8}   ({result['contaminated_queries']:,} queries contaminated)")
    for name, value in result["metrics"].items():
        also = f" {clean['metrics'][name]:8.4f}" if clean and clean["metrics"] else ""
        lines.append(f"{name:14} {value:8.4f}{also}")
    return "\n".join(lines)
