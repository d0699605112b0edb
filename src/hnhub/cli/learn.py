"""`hnhub train`, `hnhub evaluate`, `hnhub compare`: parse, call, print."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hnhub.cli import complete
from hnhub.cli.help import TRAIN_GROUPS, Choice, Command
from hnhub.cli.options import as_json, stack
from hnhub.errors import UsageError

__all__ = ["compare", "evaluate", "train"]

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_LOSSES = ("ranking", "lsepair", "mix", "kl", "margin-mse")
_HARDNESS = ("in_batch_negatives", "hard_negatives", "all_negatives")
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


@click.command(
    cls=Command,
    groups=TRAIN_GROUPS,
    examples=(
        "hnhub train runs/scifact/dataset --config bm25 --model intfloat/e5-base-v2 --out models/e5",
        "hnhub train acme/scifact-hard-negatives --config ce --loss mix --model thenlper/gte-base --out models/gte",
        "hnhub train runs/scifact/dataset --config ce --kind cross-encoder --model google/electra-small-discriminator --out models/ce",
    ),
)
@click.argument("dataset", shell_complete=complete.paths)
@click.option("--config", required=True, help="The method whose rows are trained on, e.g. bm25.")
@click.option("--model", required=True, metavar="MODEL", help="A sentence-transformers id or folder.")
@click.option("--out", required=True, type=_FOLDER, help="Where the trained model goes.")
@click.option("--revision", help="Of the dataset on the Hub.")
@_prefixes
@click.option("--pooling", type=click.Choice(["mean", "cls"]), help="How token vectors become one.")
@click.option("--normalise/--no-normalise", default=None, help="Vectors of length 1.")
@click.option("--temperature", type=float, help="Similarities are divided by it in the loss.")
@click.option(
    "--kind",
    type=Choice(["bi-encoder", "cross-encoder"]),
    default="bi-encoder",
    show_default=True,
    help="A retriever, or a re-ranker from the same rows.",
)
@click.option(
    "--loss",
    type=Choice(_LOSSES),
    default="ranking",
    show_default=True,
    help="ranking and lsepair contrast; kl and margin-mse distil CONFIG-scored; mix is ranking and kl.",
)
@click.option(
    "--positives",
    type=Choice(["all", "one"]),
    default="all",
    show_default=True,
    help="A row for each positive, or one drawn for each pass.",
)
@click.option("--negatives", type=click.IntRange(0), help="Hard negatives of a row, at most.  [default: all]")
@click.option(
    "--teacher",
    type=Choice(["score", "bm25_score", "dense_score", "ce_score"]),
    default="score",
    show_default=True,
    help="Whose scores are distilled: CONFIG's own, or another scorer's of the same build.",
)
@click.option(
    "--candidates",
    type=click.IntRange(1),
    help="Scored passages of a row that are distilled, spread over the scores.  [default: the negatives]",
)
@click.option(
    "--masking",
    type=Choice(["none", "known", "similar"]),
    default="similar",
    show_default=True,
    help="What of a batch is no negative: known positives and copies, or also what MODEL finds nearer than the positive.",
)
@click.option("--mix", type=float, default=0.5, show_default=True, help="mix: weight of the distillation.")
@click.option(
    "--merge",
    type=float,
    default=0.0,
    show_default=True,
    help="Weight of MODEL in the average of weights that is saved.",
)
@click.option(
    "--teacher-temperature", type=float, help="The teacher's scores are divided by it.  [default: their spread]"
)
@click.option("--hardness-mode", type=Choice(_HARDNESS), help="Which negatives weigh more the nearer they are.")
@click.option("--hardness-strength", type=float, default=5.0, show_default=True, help="How much more.")
@click.option(
    "--matryoshka",
    multiple=True,
    type=click.IntRange(1),
    metavar="N",
    help="Train at this dimension as well; repeatable.",
)
@click.option("--lora", type=click.IntRange(1), metavar="RANK", help="Train low-rank adapters, folded in at the end.")
@click.option("--epochs", type=float, help="Passes over the rows.  [default: about 120 steps, from 1 to 20 passes]")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Rows a step and device.")
@click.option("--mini-batch", type=click.IntRange(1), default=16, show_default=True, help="Rows in memory at once.")
@click.option(
    "--cached/--not-cached", default=True, show_default=True, help="Large batches in little memory, for time."
)
@click.option("--learning-rate", type=float, help="[default: 2e-5, static embeddings 0.02]")
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
    from hnhub.api.train import TrainOptions
    from hnhub.api.train import train as carry_out

    wanted = [name.partition(":")[::2] for name in options["test_corpora"]]
    tests = [(name, split or "test") for name, split in wanted]
    trained = carry_out(
        dataset,
        config=config,
        model=model,
        out=out,
        tests=tests,
        corpus_folder=options["corpus_dir"],
        **{name: options[name] for name in ("revision", "rows", "held_out", "on_leak", "decontaminate")},
        **{name: options[name] for name in TrainOptions.__annotations__ if name in options},
    )
    if os.environ.get("RANK", "0") != "0":
        return  # under torchrun one process speaks
    click.echo(json.dumps(trained.facts, indent=1, sort_keys=True, ensure_ascii=False) if as_json else repr(trained))


@click.command(
    cls=Command,
    examples=(
        "hnhub evaluate bm25 --corpus scifact",
        "hnhub evaluate models/e5 --corpus scifact --metric nDCG@10 --run e5.trec",
        "hnhub evaluate --from-run e5.trec --corpus scifact",
    ),
)
@click.argument("model", required=False, shell_complete=complete.paths)
@click.option(
    "--corpus",
    required=True,
    shell_complete=complete.corpora,
    help="A name of the catalog, a Hub dataset, or any name with --corpus-dir.",
)
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
    "--precision",
    type=Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="What models compute in; auto is bf16 where the hardware has units for it. mteb's figures are fp32's.",
)
@click.option(
    "--trained-on", metavar="DATASET", help="Also score without the queries whose relevant passages it trains on."
)
@click.option("--config", help="Of --trained-on.")
@click.option("--run", "run_file", type=_FILE, help="Write the run here, in TREC format.")
@click.option("--out", type=_FOLDER, help="Write run, per-query scores and figures into this folder.")
@click.option("--mteb-prompts", is_flag=True, help="Prompts and instructions as mteb gives MODEL on this task.")
@click.option(
    "--mteb-results", type=_FOLDER, metavar="DIR", help="Write mteb's result JSON below this folder; ranks 1,000 deep."
)
@as_json
def evaluate(model: str | None, corpus: str, split: str, as_json: bool, **options: Any) -> None:
    """Evaluate MODEL (a sentence-transformers id or folder, or `bm25`) or a run file, over every judged query."""
    from hnhub.api.evaluate import evaluate as measure
    from hnhub.api.inputs import open_corpus
    from hnhub.learn.evaluate import write_evaluation
    from hnhub.learn.metrics import check_measures
    from hnhub.learn.mteb_results import DEPTH, write_mteb_results
    from hnhub.learn.runs import write_run

    check_measures(options["metrics"])  # before a corpus is opened
    run = options["from_run"]
    if options["mteb_results"]:
        options["depth"] = options["depth"] or DEPTH
    if model is None and run is None:
        raise UsageError("nothing to evaluate", do="give a MODEL, `bm25` or --from-run FILE")
    named = (
        *("rerank", "depth", "preset", "query_prefix", "document_prefix", "max_length"),
        *("precision", "mteb_prompts", "trained_on", "config"),
    )
    found = measure(
        model or run.stem,
        open_corpus(options["corpus_dir"], name=corpus) if options["corpus_dir"] else corpus,
        split=split,
        run=run,
        **({"measures": options["metrics"]} if options["metrics"] else {}),
        **{name: options[name] for name in named},
    )
    if options["run_file"]:
        write_run(options["run_file"], found.run, tag=found.model)
    if options["out"]:
        write_evaluation(options["out"], found)
    if options["mteb_results"]:
        write_mteb_results(options["mteb_results"], found)
    click.echo(json.dumps(found.as_json(), indent=1, ensure_ascii=False) if as_json else repr(found))


@click.command(
    cls=Command,
    examples=(
        "hnhub compare compare/paper.toml --dry-run",
        "hnhub compare compare/scifact.toml",
        "hnhub compare compare/scifact.toml --out runs/compare/scifact",
    ),
)
@click.argument("plan", type=_FILE)
@click.option("--out", type=_FOLDER, help="[default: runs/compare/<the plan's name>]")
@click.option("--dry-run", is_flag=True, help="Say what it would take, and what is missing for it.")
@as_json
def compare(plan: Path, out: Path | None, dry_run: bool, as_json: bool) -> None:
    """Train and evaluate what PLAN (a TOML file) says, and say what may be concluded. Goes on from what is there."""
    from hnhub.api.compare import compare as carry_out
    from hnhub.api.compare_forecast import forecast_compare

    if dry_run:
        taken = forecast_compare(plan)
        click.echo(json.dumps(asdict(taken), indent=1) if as_json else str(taken))
        return
    found = carry_out(plan, out=out)
    click.echo(json.dumps(found.results, indent=1, ensure_ascii=False) if as_json else repr(found))
