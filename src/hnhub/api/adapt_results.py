"""What an adaptation has measured, gathered from its stages."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from hnhub import __version__
from hnhub.adaptation.verdicts import results_of
from hnhub.encode.models import resolve
from hnhub.stages import facts_of, read_record

if TYPE_CHECKING:
    from hnhub.api.adapting import Adapting

__all__ = ["gather"]


def gather(way: "Adapting", dataset: Path, compared: int) -> dict[str, Any]:
    """All figures of results.md, as plain data. `compared`: texts of training rows that were held against the test part."""
    s, base = way.settings, resolve(way.model)
    folders = {part: way.out / part / way.corpus.name for part in ("test", "train")}
    written = {part: facts_of(folder / "queries") for part, folder in folders.items()}
    queries = pl.read_parquet(folders["test"] / "queries" / "queries.parquet")
    frozen = pl.concat([queries, pl.read_parquet(folders["train"] / "queries" / "queries.parquet")])
    provenance = frozen["provenance"].struct.unnest()
    styles = dict(zip(queries["query_id"], queries["provenance"].struct.field("style"), strict=True))
    manifest = read_record(dataset / "manifest.json").facts
    training = json.loads((way.tuned / "training.json").read_text(encoding="utf-8"))
    tests = [
        results_of(
            way.scores(name),
            name=name,
            kind="written" if at == 0 else "human",
            measures=s.measures,
            margin=s.margin,
            styles={query: style for query, style in styles.items() if style} if at == 0 else None,
        )
        for at, name in enumerate(way.tests)
    ]
    asking = [
        (part, name) for part in folders for name in ("queries", f"candidates/{s.method}", f"judgements/{s.method}")
    ]
    facts = {f"{part} {name}": facts_of(folders[part] / name) for part, name in asking}
    shown = ("loss", "epochs", "batch", "learning_rate", "temperature", "merge", "masking", "max_length")
    return {
        "hnhub": __version__,
        "corpus": way.corpus.name,
        "corpus_revision": way.corpus.revision,
        "documents": way.corpus.documents,
        "chunked": way.chunked,
        "base": base.name,
        "base_revision": base.revision,
        "llm": sorted(set(provenance["model"].drop_nulls())),
        "query_judge": manifest["recipe"]["query_judge"],
        "config": s.method,
        "negatives": manifest["recipe"]["negatives"],
        "judged": s.judged,
        "human_split": way.human_split,
        "seed": s.seed,
        "seeds": list(s.seeds),
        "measures": list(s.measures),
        "margin": s.margin,
        "split": facts_of(way.out / "split"),
        "written": written,
        "held_out": facts_of(way.out / "held-out"),
        "compared": compared,
        "training": {key: training[key] for key in ("trained_rows", "steps", "leaks", "held_out", "revision")},
        "settings": {key: training["settings"][key] for key in shown if training["settings"].get(key) is not None},
        "asked": {
            name: {key: found[key] for key in ("asked", "prompt_tokens", "completion_tokens")}
            for name, found in facts.items()
            if "asked" in found
        },
        "tests": tests,
    }
