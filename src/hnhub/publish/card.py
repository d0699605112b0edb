"""The dataset card: README.md, rendered from facts alone (`hnhub.publish.facts`), the same facts always to the same bytes."""

import functools
import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from hnhub import schema
from hnhub.errors import InputError
from hnhub.publish.licences import flags, hub_licence
from hnhub.records import JUDGES, METHODS, WRITTEN_QUERIES

if TYPE_CHECKING:
    import jinja2

__all__ = ["citation", "config_schema", "feature", "render_card"]

_SIZES = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M")]


def render_card(facts: Mapping[str, Any]) -> str:
    """README.md. Raises InputError if the facts lack something that the card says."""
    import jinja2

    try:
        values = {
            **facts,
            "yaml": _yaml(_metadata(facts)),
            "default": _default_config(facts),
            "flags": _flags(facts),
            "citation": citation(facts),
            "ways": METHODS,
            "judge_says": JUDGES[judge].says if (judge := facts["recipe"].get("judge")) else None,
            "facts_left_out": facts["left_out"],
            "query_limit": facts["recipe"]["queries"] or WRITTEN_QUERIES,
            "written": any(METHODS[method].written for method in facts["methods"]),
        }
        return _template().render(values)
    except (jinja2.UndefinedError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"the card's facts lack something, or have it in another shape ({error})",
            do="build the dataset again",
        ) from error


@functools.cache
def _template() -> "jinja2.Template":
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - it is Markdown, not HTML
        loader=jinja2.PackageLoader("hnhub", "publish"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests["search"] = lambda text, pattern: re.search(pattern, text) is not None
    environment.filters |= {"number": _number, "fenced": _fenced, "sample": _sample, "percent": _percent, "cell": _cell}
    return environment.get_template("card.md.j2")


def citation(facts: Mapping[str, Any]) -> str:
    """The BibTeX entry of a dataset."""
    place = f"  howpublished = {{\\url{{https://huggingface.co/datasets/{facts['repo']}}}}},\n" if facts["repo"] else ""
    doi = f"  doi = {{{facts['doi']}}},\n  publisher = {{Hugging Face}},\n" if facts.get("doi") else ""
    return (
        f"@misc{{{facts['name'].replace('-', '_')},\n"
        f"  title = {{{facts['corpus']['title']} hard negatives, version {facts['version']}}},\n"
        f"{place}{doi}"
        f"  note = {{Built with hnhub {facts['hnhub']}}}\n"
        "}"
    )


def config_schema(config: str, negatives: int, *, scores: bool = True) -> pl.Schema:
    """The columns of a published config, by its name; without `scores` of a dataset of before there were those of several scorers."""
    if config == "queries":
        return schema.PUBLISHED_QUERIES
    scored = schema.SCORED if scores else schema.SCORED_BEFORE
    return scored if config.endswith("-scored") else schema.triplet(negatives)


def _metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The card's YAML, as the Hub's dataset card specification has it."""
    corpus = facts["corpus"]
    default = _default_config(facts)
    generated = facts["recipe"]["queries_from"] == "llm" or any(METHODS[method].written for method in facts["methods"])
    rows = sum(split["rows"] for splits in facts["files"].values() for split in splits.values())
    metadata: dict[str, Any] = {"pretty_name": f"{corpus['title']} hard negatives"}
    if corpus["language"]:
        metadata["language"] = [corpus["language"]]
    metadata |= hub_licence(corpus["licence"])
    metadata |= {
        "task_categories": ["text-retrieval", "sentence-similarity"],
        "tags": ["sentence-transformers", "hard-negatives", "dense-retrieval", *(["synthetic"] if generated else [])],
        "size_categories": [next((name for limit, name in _SIZES if rows < limit), "10M<n<100M")],
    }
    if corpus["hub_id"]:
        metadata["source_datasets"] = [corpus["hub_id"]]
    configs = _configs(facts)
    metadata["configs"] = [
        {
            "config_name": name,
            **({"default": True} if name == default else {}),
            "data_files": [{"split": split, "path": list(entry["files"])} for split, entry in config["splits"].items()],
        }
        for name, config in configs.items()
    ]
    metadata["dataset_info"] = [
        {
            "config_name": name,
            "features": config["features"],
            "splits": [
                {"name": split, "num_bytes": entry["num_bytes"], "num_examples": entry["rows"]}
                for split, entry in config["splits"].items()
            ],
            "download_size": sum(entry["download_bytes"] for entry in config["splits"].values()),
            "dataset_size": sum(entry["num_bytes"] for entry in config["splits"].values()),
        }
        for name, config in configs.items()
    ]
    return metadata


def _configs(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Every config with its columns and splits: the dataset's own, then those in other projects' layouts."""
    negatives = facts["recipe"]["negatives"]
    own = {
        name: {
            "features": [
                feature(*column) for column in config_schema(name, negatives, scores="scores" in facts).items()
            ],
            "splits": facts["files"][name],
        }
        for name in _config_order(facts)
    }
    return own | {name: config for one in facts.get("exports", ()) for name, config in one.get("configs", {}).items()}


def _config_order(facts: Mapping[str, Any]) -> list[str]:
    # What trains comes first: it is what most come for, and what the viewer opens.
    return sorted(facts["files"], key=lambda name: (name == "queries", name.endswith("-scored")))


def _default_config(facts: Mapping[str, Any]) -> str:
    return _config_order(facts)[0]


def feature(name: str, kind: Any) -> dict[str, Any]:
    """A column as the card's YAML has it."""
    if isinstance(kind, pl.Struct):
        return {"name": name, "struct": [feature(field.name, field.dtype) for field in kind.fields]}
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
        return {"name": name, "list": feature(name, kind.inner)["struct"]}
    if isinstance(kind, pl.List):
        return {"name": name, "list": str(kind.inner).lower()}
    return {"name": name, "dtype": str(kind).lower()}


def _yaml(metadata: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True, width=10_000).rstrip("\n")


def _flags(facts: Mapping[str, Any]) -> list[str]:
    return flags(facts["corpus"]["licence"], facts["corpus"]["redistributable"])


def _number(value: float | None) -> str:
    """`12,345`, and a dash for what wasn't measured."""
    return "–" if value is None else f"{value:,}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _cell(text: str) -> str:
    """In a table's cell nothing of a text ends the cell or is markup."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))


def _fenced(text: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks in the text."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _sample(sample: Mapping[str, Any]) -> str:
    """A query with its positive and each method's negative, folded to the width of a screen."""
    labelled = {"query": sample["query"], "positive": sample["positive"], **sample["negatives"]}
    size = max(map(len, labelled)) + 2
    lines = [
        textwrap.fill(text or "(none)", 110, initial_indent=f"{label:<{size}}", subsequent_indent=" " * size)
        for label, text in labelled.items()
    ]
    return "\n".join(lines)
