"""Options that several commands share; they mean the same everywhere."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from hnhub.cli import complete
from hnhub.cli.help import Choice
from hnhub.errors import UsageError
from hnhub.records import METHODS

__all__ = ["as_json", "build_options", "given", "parameters", "stack"]

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
    """What `build_options` read, as `hnhub.build` takes it: corpus, name, and the options that were given.

    `none` and 0 turn a builder's decision off.
    """
    found = {name: value for name, value in options.items() if value not in (None, ())}
    corpus, folder = found.pop("corpus"), found.pop("corpus_dir", None)
    if found.get("round_trip") == 0:
        found["round_trip"] = None
    if "positives" in found:
        found["positives"] = None if found["positives"] == "all" else _number("--positives", found["positives"])
    if "query_styles" in found:
        found["query_styles"] = _shares(found["query_styles"])
    if found.get("query_judge") == 0:
        found["query_judge"] = None
    if found.get("judge") == "none":
        found["judge"] = None
    if "bm25" in found:
        pairs = _pairs("--bm25", found["bm25"], "KEY=VALUE", "k1=1.2")
        found["bm25"] = {key: None if value == "none" else value for key, value in pairs.items()}
    if "prompts" in found:
        found["prompts"] = _pairs("--prompt", found["prompts"], "TASK=FILE", "negative=mine.toml")
    return (corpus, None, found) if folder is None else (folder, corpus, found)


def _number(option: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise UsageError(f"{option} {value!r} is no number of 1 or more", do=f"write, say, {option} 3 or {option} all")
    return int(value)


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

build_options = stack(
    click.argument("corpus", shell_complete=complete.corpora),
    click.option(
        "--method",
        "methods",
        multiple=True,
        type=Choice([*METHODS, "all"]),
        help="How negatives are made; repeatable. `all` is llm, bm25 and ce.  [default: the builder's]",
    ),
    click.option(
        "--corpus-dir", type=_FOLDER, help="Read the corpus from this folder (BEIR layout, JSONL, Parquet or CSV)."
    ),
    click.option(
        "--chunk-tokens",
        type=click.IntRange(16),
        help="Cut documents of your own into chunks of at most so many words and marks.  [default: 256 for a folder of texts]",
    ),
    click.option(
        "--chunk-overlap",
        type=click.FloatRange(0, 0.5),
        metavar="SHARE",
        help="Share of a chunk that the next one repeats.  [default: 0]",
    ),
    click.option(
        "--queries",
        type=click.IntRange(1),
        help="At most this many queries a split.  [default: 1,000 written, all judged]",
    ),
    click.option(
        "--positives",
        metavar="N|all",
        help="At most this many rows a query, one a positive.  [default: all that are known]",
    ),
    click.option("--marks", type=_FILE, help="Drop or promote what a person marked on the page of `hnhub view`."),
    click.option("--queries-from", type=Choice(["llm", "qrels"]), help="Write queries, or take the judged ones."),
    click.option(
        "--round-trip",
        type=click.IntRange(0),
        help="Keep a written query if BM25 finds its passage in the top K; 0 is off.",
    ),
    click.option(
        "--query-style",
        "query_styles",
        multiple=True,
        metavar="STYLE=SHARE,...",
        help="Styles of written queries and their shares, kept exactly: question, keyword, claim, how-to, comparison, multi-hop "
        "(two passages of a document), reasoning, or another family of prompt.  [default: the corpus family's]",
    ),
    click.option(
        "--per-passage", type=click.IntRange(1), help="Queries written from a passage, each unlike the others."
    ),
    click.option(
        "--query-judge",
        type=click.IntRange(0, 10),
        is_flag=False,
        flag_value=7,
        metavar="[POINTS]",
        help="Keep a written query only if the LLM gives it so many of 10 points for being answered by its passage and "
        "understood without it; 7 if no number is given, 0 is off.",
    ),
    click.option("--negatives", type=click.IntRange(1), help="Negatives a query."),
    click.option("--depth", type=click.IntRange(1), help="Candidates a query."),
    click.option(
        "--sampling",
        type=Choice(["top", "random", "weighted", "stratified"]),
        help="How negatives are chosen from candidates.",
    ),
    click.option("--rank-min", type=click.IntRange(1), help="Choose from this rank on."),
    click.option("--rank-max", type=click.IntRange(1), help="Choose up to this rank."),
    click.option(
        "--max-percent",
        type=click.FloatRange(0, min_open=True),
        help="ce and --judge ce: drop candidates over this share of the positive's score.",
    ),
    click.option(
        "--max-margin",
        type=click.FloatRange(0),
        help="ce and --judge ce: drop candidates over the positive's score minus this instead.",
    ),
    click.option(
        "--judge",
        type=Choice(["llm", "ce", "none"]),
        help="Who looks at what would become negatives, and may veto: the LLM, or the cross-encoder by ce's rule.",
    ),
    click.option(
        "--promote",
        type=Choice(["drop", "positive"]),
        help="What becomes of what judge or cut finds as relevant as the positive: nothing, or a further positive.",
    ),
    click.option(
        "--on-shortfall",
        type=Choice(["drop", "keep", "fail"]),
        help="What becomes of a query with too few negatives.",
    ),
    click.option("--seed", type=int, help="Of everything that is drawn."),
    click.option(
        "--endpoint",
        "endpoint",
        multiple=True,
        metavar="URL|local",
        help="An LLM server; repeatable. `local` is the embedded model, the default where it is installed.",
    ),
    click.option(
        "--api",
        type=Choice(["auto", "tgi", "openai", "openai-completions"]),
        default="auto",
        show_default=True,
        help="What it speaks.",
    ),
    click.option(
        "--chat-template",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="The model's, in Jinja, for tgi and openai-completions where neither server nor Hub has it.",
    ),
    click.option(
        "--thinking",
        type=Choice(["auto", "on", "off"]),
        help="Tell the LLM to think before it answers, and give it room, or not to.  [default: the server's way]",
    ),
    click.option("--extra-body", metavar="JSON", help="Further members of every request's body; null takes one away."),
    click.option(
        "--deadline",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        help="What a request may take at most.  [default: by the latencies seen, up to 300]",
    ),
    click.option(
        "--model",
        multiple=True,
        metavar="ID",
        help="The LLM, as the endpoint names it. Of several the seed draws who writes a query; the first does the rest.",
    ),
    click.option(
        "--prompt", "prompts", multiple=True, metavar="TASK=FILE", help="A prompt file of your own; repeatable."
    ),
    click.option(
        "--language",
        metavar="CODE",
        help="Of the corpus, e.g. de: chooses BM25's stemmer and stop words; written texts in another one are dropped.  "
        "[default: measured from a sample]",
    ),
    click.option(
        "--bm25",
        multiple=True,
        metavar="KEY=VALUE",
        help="BM25's method, k1, b, delta, stemmer, stop_words or engine, `none` for nothing; repeatable. "
        "Also for --round-trip.",
    ),
    click.option(
        "--bi-encoder", metavar="ID", help="For dense and hybrid, and as a further source of ce's candidates."
    ),
    click.option(
        "--faiss",
        metavar="FACTORY",
        help="dense: search approximately by this index of faiss, e.g. 'IVF1024,Flat;nprobe=32'.  [default: exactly]",
    ),
    click.option(
        "--cross-encoder",
        metavar="ID|local",
        help="ce's scorer, and --judge ce's. `local` is query likelihood under the embedded LLM.",
    ),
    click.option(
        "--max-tokens",
        type=click.IntRange(1),
        help="Stop before the LLM has read and written more than this in this run; the journal's answers are free.",
    ),
    click.option(
        "--max-cost",
        type=click.FloatRange(0, min_open=True),
        help="Stop before this is spent in this run; needs --price.",
    ),
    click.option(
        "--price",
        nargs=2,
        type=click.FloatRange(0),
        metavar="IN OUT",
        help="Of a million tokens read and of a million written, for --max-cost.",
    ),
    click.option("--builder", type=_FILE, help="A builder file of your own."),
    click.option(
        "--engine",
        type=Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Make the parts of stages here, or on a Ray cluster.",
    ),
    click.option(
        "--workers", type=click.IntRange(1), help="Threads here, worker processes on Ray.  [default: the cores]"
    ),
    click.option("--ray-address", metavar="ADDRESS", help="A running cluster to join.  [default: one on this machine]"),
    click.option(
        "--gpus-per-worker",
        type=click.FloatRange(0),
        help="What a worker on Ray gets; a share is possible.  [default: 1 if the cluster has GPUs]",
    ),
    click.option(
        "--memory-per-worker",
        type=click.FloatRange(0, min_open=True),
        metavar="GB",
        help="What a worker on Ray may use; without a GPU it is held to it.",
    ),
    click.option(
        "--out",
        default="runs",
        show_default=True,
        metavar="FOLDER|URL",
        help="Where the build's folder lies; or a URL (s3://, gs://, hf://datasets/NS/NAME, ...) for the finished dataset.",
    ),
    click.option(
        "--i-have-the-rights",
        "rights",
        metavar="WHY",
        help="Publish text whose licence forbids it or is unknown; printed in the card.",
    ),
)


def parameters(*, without: Collection[str]) -> list[click.Parameter]:
    """The parameters of `build_options` for another command, those without these names."""

    @build_options
    def command() -> None: ...

    found: list[click.Parameter] = getattr(command, "__click_params__")  # noqa: B009 - click puts it there
    return [parameter for parameter in reversed(found) if parameter.name not in without]
