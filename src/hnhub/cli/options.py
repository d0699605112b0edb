"""Options that several commands share; they mean the same everywhere."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from hnhub.cli.decisions import ASKED, DECISIONS
from hnhub.cli.help import Choice
from hnhub.errors import UsageError
from hnhub.llm.protocols import PROTOCOLS
from hnhub.records import METHODS

__all__ = ["BUILD_GROUPS", "as_json", "given", "parameters", "stack"]

Command = Callable[..., Any]


def stack(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order in which --help shows them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")


def given(options: Mapping[str, Any]) -> tuple[str | Path, str | None, dict[str, Any]]:
    """What a build's options read, as `hnhub.build` takes it: corpus, name, and the options that were given.

    `none` and 0 turn a builder's decision off.
    """
    found = {name: value for name, value in options.items() if value not in (None, ())}
    corpus, folder = found.pop("corpus"), found.pop("corpus_dir", None)
    found |= {name: None for name, about in ASKED.items() if name in found and found[name] == about.off}
    if "query_styles" in found:
        found["query_styles"] = _shares(found["query_styles"])
    if "bm25" in found:
        pairs = _pairs("--bm25", found["bm25"], "KEY=VALUE", "k1=1.2")
        found["bm25"] = {key: None if value == "none" else value for key, value in pairs.items()}
    if "prompts" in found:
        found["prompts"] = _pairs("--prompt", found["prompts"], "TASK=FILE", "negative=mine.toml")
    return (corpus, None, found) if folder is None else (folder, corpus, found)


def _shares(values: Iterable[str]) -> dict[str, float]:
    """Of `question=.5,keyword=.5`, perhaps in several options."""
    pairs = _pairs(
        "--query-style", (one for value in values for one in value.split(",") if one), "STYLE=SHARE", "keyword=.3"
    )
    try:
        return {style: float(share) for style, share in pairs.items()}
    except ValueError as error:
        raise UsageError(f"--query-style: {error}", do="write, say, question=.7,keyword=.3") from None


def _pairs(option: str, values: Iterable[str], form: str, example: str) -> dict[str, str]:
    found = {}
    for one in values:
        key, equals, value = one.partition("=")
        if not equals:
            raise UsageError(f"{option} {one!r}: is not {form}", do=f"write, say, {option} {example}")
        found[key] = value
    return found


_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)

_BY_HAND: Mapping[str, tuple[click.Option, ...]] = {
    "Common": (
        click.Option(
            ["--method", "methods"],
            multiple=True,
            type=Choice([*METHODS, "all"]),
            help="How negatives are made; repeatable. `all` is llm, bm25 and ce.  [default: the builder's]",
        ),
        click.Option(
            ["--endpoint", "endpoint"],
            multiple=True,
            metavar="URL|local",
            help="An LLM server; repeatable. `local` is the embedded model, the default where it is installed.",
        ),
        click.Option(
            ["--model"],
            multiple=True,
            metavar="ID",
            help="The LLM, as the endpoint names it. Of several the seed draws who writes a query; the first does the rest.",
        ),
        click.Option(
            ["--out"],
            default="runs",
            show_default=True,
            metavar="FOLDER|URL",
            help="Where the build's folder lies; or a URL (s3://, gs://, hf://datasets/NS/NAME, ...) for the finished dataset.",
        ),
    ),
    "Corpus": (
        click.Option(
            ["--corpus-dir"],
            type=_FOLDER,
            help="Read the corpus from this folder (BEIR layout, JSONL, Parquet or CSV).",
        ),
        click.Option(
            ["--chunk-tokens"],
            type=click.IntRange(16),
            help="Cut documents of your own into chunks of at most so many words and marks.  [default: 256 for a folder of texts]",
        ),
        click.Option(
            ["--chunk-overlap"],
            type=click.FloatRange(0, 0.5),
            metavar="SHARE",
            help="Share of a chunk that the next one repeats.  [default: 0]",
        ),
        click.Option(
            ["--i-have-the-rights", "rights"],
            metavar="WHY",
            help="Publish text whose licence forbids it or is unknown; printed in the card.",
        ),
    ),
    "Queries": (
        click.Option(
            ["--query-style", "query_styles"],
            multiple=True,
            metavar="STYLE=SHARE,...",
            help="Styles of written queries and their shares, kept exactly: question, keyword, claim, how-to, comparison, multi-hop "
            "(two passages of a document), reasoning, or another family of prompt.  [default: the corpus family's]",
        ),
        click.Option(
            ["--marks"],
            type=_FILE,
            help="Drop or promote what a person marked on the page of `hnhub view`.",
        ),
    ),
    "Negatives": (
        click.Option(
            ["--bm25"],
            multiple=True,
            metavar="KEY=VALUE",
            help="BM25's method, k1, b, delta, stemmer, stop_words or engine, `none` for nothing; repeatable. "
            "Also for --round-trip.",
        ),
    ),
    "Language model": (
        click.Option(
            ["--api"],
            type=Choice(["auto", *PROTOCOLS]),
            default="auto",
            show_default=True,
            help="What it speaks.",
        ),
        click.Option(
            ["--chat-template"],
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="The model's, in Jinja, for tgi and openai-completions where neither server nor Hub has it.",
        ),
        click.Option(
            ["--prompt", "prompts"],
            multiple=True,
            metavar="TASK=FILE",
            help="A prompt file of your own; repeatable.",
        ),
        click.Option(
            ["--extra-body"], metavar="JSON", help="Further members of every request's body; null takes one away."
        ),
        click.Option(
            ["--deadline"],
            type=click.FloatRange(0, min_open=True),
            metavar="SECONDS",
            help="What a request may take at most.  [default: by the latencies seen, up to 300]",
        ),
    ),
    "Limits": (
        click.Option(
            ["--max-tokens"],
            type=click.IntRange(1),
            help="Stop before the LLM has read and written more than this in this run; the journal's answers are free.",
        ),
        click.Option(
            ["--max-cost"],
            type=click.FloatRange(0, min_open=True),
            help="Stop before this is spent in this run; needs --price or --prices.",
        ),
        click.Option(
            ["--price"],
            nargs=2,
            type=click.FloatRange(0),
            metavar="IN OUT",
            help="Of a million tokens read and of a million written: what the run costs is told, and for --max-cost.",
        ),
        click.Option(["--prices"], type=_FILE, help="Prices by model: a TOML or JSON file (docs/llm.md)."),
        click.Option(
            ["--batch-api"],
            is_flag=True,
            help="Ask by OpenAI's batch API: half the price, within a day; killed, it goes on from its batches.",
        ),
        click.Option(
            ["--requests-per-minute"],
            type=click.IntRange(1),
            help="Send the LLM at most so many requests in any minute.",
        ),
        click.Option(
            ["--tokens-per-minute"],
            type=click.IntRange(1),
            help="At most so many tokens, read and written, in any minute; a request counts its worst case until it is answered.",
        ),
    ),
    "Where and how": (
        click.Option(
            ["--builder"],
            type=_FILE,
            help="A builder file of your own.",
        ),
        click.Option(
            ["--engine"],
            type=Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Make the parts of stages here, or on a Ray cluster.",
        ),
        click.Option(
            ["--workers"],
            type=click.IntRange(1),
            help="Threads here, worker processes on Ray.  [default: the cores]",
        ),
        click.Option(
            ["--ray-address"],
            metavar="ADDRESS",
            help="A running cluster to join.  [default: one on this machine]",
        ),
        click.Option(
            ["--gpus-per-worker"],
            type=click.FloatRange(0),
            help="What a worker on Ray gets; a share is possible.  [default: 1 if the cluster has GPUs]",
        ),
        click.Option(
            ["--memory-per-worker"],
            type=click.FloatRange(0, min_open=True),
            metavar="GB",
            help="What a worker on Ray may use; without a GPU it is held to it.",
        ),
    ),
}
"""By heading of --help, the options that are no decision of a recipe, or have a syntax of their own."""

_TABLE: Mapping[str, tuple[click.Option, ...]] = {
    heading: (*options, *(one for name, one in DECISIONS.items() if ASKED[name].heading == heading))
    for heading, options in _BY_HAND.items()
}
_BESIDE = {"Common": ("corpus", "query", "positive"), "Where and how": ("name", "as_json")}
BUILD_GROUPS: Mapping[str, tuple[str, ...]] = {
    heading: (*_BESIDE.get(heading, ()), *(str(one.name) for one in options)) for heading, options in _TABLE.items()
}
"""Heading -> options by their names in Python, with what commands have beside them."""


def parameters(
    *, decisions: Collection[str] = tuple(DECISIONS), without: Collection[str] = ()
) -> list[click.Parameter]:
    """The options of a build: of its recipe `decisions` alone (by default all), and of the others those not in `without`."""
    every = [one for options in _TABLE.values() for one in options]
    return [one for one in every if (one.name in decisions if one.name in DECISIONS else one.name not in without)]
