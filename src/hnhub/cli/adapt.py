"""`hnhub adapt`: from a folder of documents to a better model, with a verdict."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import click

from hnhub.cli import complete
from hnhub.cli.help import Choice, Command
from hnhub.cli.options import BUILD_GROUPS, as_json, given, parameters
from hnhub.cli.telling import telling
from hnhub.errors import UsageError
from hnhub.records import METHODS, MiningOptions

if TYPE_CHECKING:
    from hnhub.api.adapt_forecast import AdaptForecast

__all__ = ["adapt"]

_DECISIONS = ("queries", "per_passage", "round_trip", "positives", "negatives", "seed", *get_type_hints(MiningOptions))
_NOT = ("methods", "model", "builder", "out")
_TRAIN = ("loss", "epochs", "batch", "learning_rate", "merge", "max_length")
_SETTINGS = ("llm", "method", "seeds", "test_share", "dev_share", "test_queries", "judged", "measures", "margin")
_GROUPS = {
    "Common": ("model", "out", "endpoint", "llm", "queries", "method", "dry_run", "seed", "seeds"),
    "Test": ("test_share", "dev_share", "test_queries", "judged", "measures", "margin"),
    "Training": (*_TRAIN, "train"),
    **{heading: names for heading, names in BUILD_GROUPS.items() if heading != "Common"},
    "Negatives": ("negatives", "cross_encoder", "bi_encoder", *BUILD_GROUPS["Negatives"]),
}
_OWN = [
    click.Argument(["documents"], metavar="DOCUMENTS", shell_complete=complete.corpora),
    click.Option(
        ["--model"], required=True, metavar="ID", help="What is adapted: a sentence-transformers id or folder."
    ),
    click.Option(
        ["--out"],
        type=click.Path(file_okay=False, path_type=Path),
        help="Where everything goes.  [default: runs/adapted/<the corpus's name>]",
    ),
    click.Option(["--name"], help="What the corpus is called.  [default: the folder's or file's name]"),
    click.Option(
        ["--llm"],
        multiple=True,
        metavar="ID",
        help="The LLM, as the endpoint names it. Of several the seed draws who writes a query; the first does the rest.",
    ),
    click.Option(
        ["--method"], type=Choice(list(METHODS)), default="bm25", show_default=True, help="How negatives are made."
    ),
    click.Option(
        ["--query-judge"],
        type=click.IntRange(0, 10),
        metavar="POINTS",
        help="Keep a query only if the LLM gives it so many of 10 points; 0 is off.  [default: 7, off with the embedded LLM]",
    ),
    click.Option(
        ["--seeds"], type=click.IntRange(1), default=1, show_default=True, help="Trainings, each by another seed."
    ),
    click.Option(
        ["--test-share"],
        type=click.FloatRange(0, 1),
        default=0.15,
        show_default=True,
        help="Of the passages, kept apart to be tested on.",
    ),
    click.Option(
        ["--dev-share"], type=click.FloatRange(0, 1), default=0.05, show_default=True, help="To watch training by."
    ),
    click.Option(
        ["--test-queries"],
        type=click.IntRange(2),
        default=300,
        show_default=True,
        help="Written from the test part.",
    ),
    click.Option(
        ["--judged"],
        type=Choice(["apart", "mixed"]),
        default="apart",
        show_default=True,
        help="Documents that people found relevant to the corpus's own test queries: out of training, or not.",
    ),
    click.Option(
        ["--metric", "measures"],
        multiple=True,
        metavar="NAME",
        help="The first one is what the verdict is about.  [default: nDCG@10 MRR@10 Recall@100]",
    ),
    click.Option(
        ["--margin"], type=float, default=0.01, show_default=True, help="The largest difference that does not matter."
    ),
    click.Option(["--loss"], help="Of the training, as for `hnhub train`."),
    click.Option(["--epochs"], type=float, help="Passes over the rows.  [default: 3]"),
    click.Option(["--batch"], type=click.IntRange(1), help="Rows a step and device."),
    click.Option(["--learning-rate"], type=float, help="[default: by the model]"),
    click.Option(
        ["--merge"], type=float, help="Weight of the untrained model in the average that is saved.  [default: 0.5]"
    ),
    click.Option(["--max-length"], type=click.IntRange(1), help="Tokens of a text, in training."),
    click.Option(
        ["--train"],
        multiple=True,
        metavar="KEY=VALUE",
        help="Any other setting of a training (docs/learn.md), e.g. positives=one; repeatable.",
    ),
    click.Option(
        ["--dry-run"],
        is_flag=True,
        help="Say what it would do and take: requests, tokens, cost, time. Nothing is done.",
    ),
]


@click.command(
    cls=Command,
    groups=_GROUPS,
    params=[*_OWN, *parameters(decisions=_DECISIONS, without=_NOT)],
    examples=(
        "hnhub adapt ./manuals --model intfloat/e5-base-v2 --endpoint http://127.0.0.1:8000 --out adapted",
        "hnhub adapt ./manuals --model intfloat/e5-base-v2 --endpoint http://127.0.0.1:8000 --dry-run",
        "hnhub adapt passages.jsonl --model models/small --queries 3000 --query-style question=.5,keyword=.5 --seeds 3",
    ),
)
@as_json
def adapt(as_json: bool, **options: Any) -> None:
    """Adapt a retriever to DOCUMENTS: a folder of texts, a file of passages, a corpus's name. The same command goes on."""
    import hnhub
    from hnhub.api.adapt import forecast_adapt
    from hnhub.api.adapt_settings import settled

    documents, model, name = (options.pop(key) for key in ("documents", "model", "name"))
    dry = options.pop("dry_run")
    train = {key: value for key in _TRAIN if (value := options.pop(key)) is not None} | _settings(options.pop("train"))
    own: dict[str, Any] = {key: options.pop(key) for key in _SETTINGS}
    own |= {"seeds": range(own["seeds"]), "llm": own["llm"] or None, "train": train}
    own = {key: value for key, value in own.items() if value != ()}
    folder = options.pop("corpus_dir")
    _, _, asked = given({**options, "corpus": documents})
    if folder is not None:
        documents, name = folder, documents
    cut = {key: asked.pop(key) for key in ("chunk_tokens", "chunk_overlap") if key in asked}
    if dry:
        found = forecast_adapt(documents, model=model, name=name, **cut, settings=settled(asked, **own))  # type: ignore[arg-type]
        click.echo(json.dumps(_plain(found), indent=1) if as_json else _told(found))
        return
    with telling():
        adapted = hnhub.adapt(documents, model=model, name=name, **cut, **own, **asked)
    click.echo(json.dumps(adapted.results, indent=1, ensure_ascii=False) if as_json else repr(adapted))


def _settings(values: Iterable[str]) -> dict[str, Any]:
    """KEY=VALUE with values as in TOML; a bare word is a text."""
    found = {}
    for one in values:
        key, equals, value = one.partition("=")
        if not equals:
            raise UsageError(f"--train {one!r}: is not KEY=VALUE", do="write, say, --train positives=one")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found


def _plain(found: "AdaptForecast") -> dict[str, Any]:
    read, written = found.tokens
    return {
        **asdict(found),
        "requests": found.requests,
        "prompt_tokens": read,
        "completion_tokens": written,
        "cost": found.cost,
        "seconds": found.seconds,
    }


def _told(found: "AdaptForecast") -> str:
    lines = [f"{'stage':28} {'state':6} {'requests':>9} {'tokens in':>12} {'tokens out':>11} {'seconds':>8}"]
    for part, build in (("test", found.test), ("train", found.train)):
        for step in build.steps:
            cells = (step.requests, step.prompt_tokens, step.completion_tokens)
            shown = ["" if cell is None else f"{cell:,}" for cell in cells]
            seconds = "" if step.seconds is None else f"{step.seconds:,.1f}"
            name = f"{part} {step.stage}"
            lines.append(f"{name:28} {step.state:6} {shown[0]:>9} {shown[1]:>12} {shown[2]:>11} {seconds:>8}".rstrip())
    seconds = "unknown" if found.training_seconds is None else f"{found.training_seconds:,.1f}"
    lines.append(f"{'training, evaluation':28} {'':6} {'':9} {'':12} {'':11} {seconds:>8}")
    read, written = found.tokens
    hours = "time unknown" if found.seconds is None else f"about {_time(found.seconds)}"
    lines += ["", f"{found.requests:,} requests, {read:,} tokens in, at most {written:,} out; {hours}"]
    if (price := found.train.prices) and found.cost is not None:
        lines.append(f"cost at most {found.cost:,.2f} at {price.prompt:g} and {price.completion:g} a million tokens")
    lines.append("passages: " + ", ".join(f"{part} {count:,}" for part, count in found.passages.items()))
    notes: Mapping[str, None] = dict.fromkeys([*found.test.notes, *found.train.notes, found.training])
    return "\n".join([*lines, *(f"- {note}" for note in notes)])


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{max(1, round(seconds / 60))} minutes"
