"""Everything that a card may say about a dataset, as plain data: what is in the folder, how it was made, from what."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from hnhub import __version__
from hnhub.corpus.catalog import CorpusSpec
from hnhub.records import METHODS, Recipe
from hnhub.rows.stats import configs, measure, split_files
from hnhub.schema import PROVENANCE, SCORES
from hnhub.stages import file_sha256

__all__ = ["gather", "public_recipe", "remeasured"]

_SAMPLES = 3
_SAMPLE_CHARACTERS = 400


def gather(
    folder: Path,
    *,
    spec: CorpusSpec | None,
    version: str,
    stage_facts: Mapping[str, Mapping[str, Any]],
    recipe: Recipe,
    prompts: Mapping[str, str],
    rights_statement: str | None = None,
    repo: str | None = None,
    review: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The facts of a dataset folder that holds data/ and ledger/. Equal inputs give equal facts on every machine.

    `prompts` maps a task to its prompt file's text, `repo` is the dataset's id on the Hub if it is known already.
    """
    names = configs(folder)
    methods = [method for method in METHODS if f"{method}-scored" in names]
    return {
        "hnhub": __version__,
        "name": f"{recipe.corpus}-hard-negatives",
        "repo": repo,
        "version": version,
        "corpus": _corpus_facts(recipe.corpus, spec, stage_facts.get("corpus", {})),
        "rights_statement": rights_statement,
        "publishes_text": any(method in names for method in methods),
        "methods": methods,
        "scores": list(SCORES),
        "recipe": public_recipe(recipe),
        "prompts": {
            task: {"sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text} for task, text in prompts.items()
        },
        "provenance": {
            name: _provenance(folder, name) for name in names if name == "queries" or name.endswith("-scored")
        },
        "files": {name: _file_facts(folder, name) for name in names},
        "tokens": _tokens(stage_facts),
        "left_out": _left_out(stage_facts, recipe),
        "stats": measure(folder),
        "samples": _samples(folder, [method for method in methods if method in names]),
        "training": None,
        **({"judgements": _judgements(stage_facts)} if recipe.judge else {}),
        **({"review": dict(review)} if review else {}),
        **_approximate(stage_facts.get("candidates/dense", {})),
    }


def remeasured(folder: Path, facts: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """The facts of a dataset whose rows were chosen anew by another recipe: what is measured is measured again."""
    names = configs(folder)
    return {
        **facts,
        "scores": list(SCORES),
        "recipe": public_recipe(recipe),
        "files": {name: _file_facts(folder, name) for name in names},
        "stats": measure(folder),
        "samples": _samples(folder, [method for method in facts["methods"] if method in names]),
        "training": None,
    }


def public_recipe(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON holds it; a model in a folder by the folder's name, as in provenance."""
    plain: dict[str, Any] = json.loads(json.dumps(recipe.as_dict()))
    for key in ("bi_encoder", "cross_encoder"):
        if plain[key] and (folder := Path(plain[key]).expanduser()).is_dir():
            plain[key] = folder.resolve().name
    return plain


def _corpus_facts(name: str, spec: CorpusSpec | None, loaded: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {
        "name": name,
        "title": name,
        "licence": "unknown",
        "licence_source": None,
        "licence_note": None,
        "redistributable": None,
        "access": "open",
        "hub_id": None,
        "citation": None,
        "language": None,
        "revision": loaded.get("revision"),
        "counts": loaded.get("counts"),
    }
    if spec is not None:
        taken = (
            "title",
            "licence",
            "licence_source",
            "licence_note",
            "redistributable",
            "access",
            "hub_id",
            "citation",
        )
        # Every corpus of the catalog is English.
        known |= {key: getattr(spec, key) for key in taken} | {"language": "en"}
    return known


def _left_out(stage_facts: Mapping[str, Mapping[str, Any]], recipe: Recipe) -> list[dict[str, Any]]:
    """What a limit left out without looking at it: its words, the split, how many."""
    limits = {
        "queries": ("queries", f"--queries {recipe.query_limit}"),
        "rows": ("pairs", f"--positives {recipe.positives}"),
    }
    return [
        {"what": what, "limit": limit, "split": split, "count": count}
        for stage, (what, limit) in limits.items()
        for split, count in stage_facts.get(stage, {}).get("left_out", {}).items()
    ]


def _tokens(stage_facts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Requests and tokens by stage. How many came from the journal differs from run to run and is left out."""
    names = {"asked": "requests", "prompt_tokens": "prompt", "completion_tokens": "completion"}
    return {
        stage: {name: int(facts[key]) for key, name in names.items()}
        for stage, facts in stage_facts.items()
        if all(key in facts for key in names)
    }


def _judgements(stage_facts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By method: the judge's model, how many candidates a query it was shown at most, and how many got which verdict."""
    names = ("model", "revision", "shown", "judged", "keep", "drop", "promote", "judge_failed")
    return {
        stage.removeprefix("judgements/"): {name: facts.get(name) for name in names}
        for stage, facts in stage_facts.items()
        if stage.startswith("judgements/")
    }


def _approximate(dense: Mapping[str, Any]) -> dict[str, Any]:
    """The index that the bi-encoder's neighbours were searched by, and its measured recall; nothing if exactly."""
    names = ("faiss", "recall", "recall_queries", "depth")
    return {"approximate": {name: dense[name] for name in names}} if "recall" in dense else {}


def _provenance(folder: Path, config: str) -> list[dict[str, Any]]:
    """Who made the queries, or the candidates, of a config: the distinct provenances but for seeds, with their rows."""
    files = [path for paths in split_files(folder, config).values() for path in paths]
    rows = pl.scan_parquet(files)
    if config != "queries":
        rows = rows.filter(pl.col("label") == 0)
    keys = [field.name for field in PROVENANCE.fields if field.name != "seed"]
    counted = rows.select(pl.col("provenance").struct.unnest()).group_by(keys).agg(pl.len().alias("rows"))
    return counted.sort("rows", *keys, descending=[True] + [False] * len(keys)).collect(engine="streaming").to_dicts()


def _file_facts(folder: Path, config: str) -> dict[str, Any]:
    return {
        split: {
            "files": {path.relative_to(folder).as_posix(): file_sha256(path) for path in files},
            "rows": sum(pq.read_metadata(path).num_rows for path in files),
            "num_bytes": sum(
                batch.nbytes for path in files for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches()
            ),
            "download_bytes": sum(path.stat().st_size for path in files),
        }
        for split, files in split_files(folder, config).items()
    }


def _samples(folder: Path, methods: list[str]) -> list[dict[str, Any]]:
    """The first queries that have a row in every method, with the first negative of each."""
    tables = {}
    for method in methods:
        files = next(iter(split_files(folder, method).values()))
        rows = pl.scan_parquet(files).select("query", "positive", "negative_1").head(1000).collect()
        rows = rows.unique("query", keep="first", maintain_order=True)
        tables[method] = {query: (positive, negative) for query, positive, negative in rows.iter_rows()}
    if not tables:
        return []
    shared = [query for query in tables[methods[0]] if all(query in table for table in tables.values())]
    return [
        {
            "query": _cut(query),
            "positive": _cut(tables[methods[0]][query][0]),
            "negatives": {method: _cut(tables[method][query][1]) for method in methods},
        }
        for query in shared[:_SAMPLES]
    ]


def _cut(text: str | None) -> str | None:
    """On one line, and not longer than a reader wants a sample to be."""
    if text is None:
        return None
    line = " ".join(text.split())
    return line if len(line) <= _SAMPLE_CHARACTERS else line[:_SAMPLE_CHARACTERS].rsplit(" ", 1)[0] + " ..."
