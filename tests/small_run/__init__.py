"""A small run on disk: finished stage folders, as the producing rooms leave them, of a corpus made here."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from hnhub import schema
from hnhub.publish.finish import finish
from hnhub.records import Recipe
from hnhub.rows.assemble import make_rows
from hnhub.stages import run_stage

__all__ = ["PROMPT", "RECIPE", "make_dataset", "make_stages", "provenance"]

RECIPE = Recipe(corpus="tiny", methods=("llm", "bm25"), negatives=2, queries=12, depth=4)
PROMPT = "Write a passage that looks like an answer to the query but is none.\nQuery: {{query}}"
PROMPT_SHA256 = hashlib.sha256(PROMPT.encode()).hexdigest()
THINGS = (
    "kettle",
    "river",
    "violin",
    "glacier",
    "orchard",
    "compass",
    "lantern",
    "harbour",
    "falcon",
    "mosaic",
    "tunnel",
    "quarry",
)
FACTS = (
    "is older than most people think",
    "was measured twice in one summer",
    "changes its colour in the rain",
    "has a name of its own",
)


def make_stages(root: Path, *, shortfall: bool = True) -> dict[str, Path]:
    """Write corpus/, queries/ and negatives/<method>/ below `root`.

    48 documents, 12 train and 2 test queries. With `shortfall`, bm25 has one negative too few for query q3, and the LLM
    gave nothing for query q5; both stand in the stages' ledgers.
    """
    documents = [(f"d{i}-{j}", f"The {thing}", f"The {thing} {fact}, ünlike the other {i}.")
                 for i, thing in enumerate(THINGS) for j, fact in enumerate(FACTS)]  # fmt: skip
    _write(root / "corpus/documents.parquet", documents, schema.DOCUMENTS)
    test = [("test", "t0", "do trains dream of stations"), ("test", "t1", "why is the sea salty")]
    train = [("train", f"q{i}", f"what about the {thing} in rain {i}?") for i, thing in enumerate(THINGS)]
    _write(root / "corpus/queries.parquet", [*train, *test], schema.QUERIES)
    _write(root / "corpus/qrels.parquet", [("test", "t0", "d0-0", 1)], schema.QRELS)
    frozen = [(*query, [f"d{i}-2"], provenance("queries", "smol"))
              for i, query in enumerate(train)]  # fmt: skip
    _write(root / "queries/queries.parquet", frozen, schema.FROZEN_QUERIES)
    _ledger(root / "queries", [("queries", None, "q99", None, "duplicate", "of q1")])
    stages = {
        "corpus": root / "corpus",
        "queries": root / "queries",
        "bm25": root / "negatives/bm25",
        "llm": root / "negatives/llm",
    }
    _mined(stages["bm25"], shortfall=shortfall)
    _generated(stages["llm"], shortfall=shortfall)
    return stages


def make_dataset(
    root: Path,
    *,
    shortfall: bool = True,
    recipe: Recipe = RECIPE,
    publish_text: bool = True,
    change: Callable[[Path], None] = lambda out: None,
) -> Path:
    """The finished dataset of `make_stages`, in `root`/dataset. `change` may spoil the rows before the rest is written."""
    stages = make_stages(root, shortfall=shortfall)

    def make(out: Path, _: Path) -> dict[str, Any]:
        make_rows(
            out,
            corpus=stages["corpus"],
            queries=stages["queries"],
            negatives={method: stages[method] for method in recipe.methods},
            recipe=recipe,
            publish_text=publish_text,
        )
        change(out)
        return finish(
            out,
            spec=None,
            version="1.2.3",
            stage_facts={
                "corpus": {"revision": "c1"},
                "candidates/llm": {"asked": 24, "prompt_tokens": 2400, "completion_tokens": 1200},
            },
            recipe=recipe,
            prompts={"query": PROMPT, "negative": PROMPT},
            rights_statement="Made up for tests.",
        )

    run_stage(root / "dataset", {"made": "by a test"}, make, record_name="manifest.json")
    return root / "dataset"


def provenance(method: str, model: str | None = None) -> dict[str, str | int | None]:
    """A provenance struct; with a model, one of a prompt."""
    prompted = {
        "prompt_sha256": PROMPT_SHA256,
        "sampling": '{"temperature":0.6,"top_p":0.95}',
        "seed": 0,
        "revision": "r1",
        "server": "test 1",
    }
    return {"method": method, "model": model, "corpus_revision": "c1"} | (prompted if model else {})


def _mined(stage: Path, *, shortfall: bool) -> None:
    rows, drops = [], []
    source = provenance("bm25")
    for i in range(len(THINGS)):
        few = shortfall and i == 3
        other = (i + 1) % len(THINGS)
        rows.append((f"q{i}", f"d{i}-2", None, 1, 1, 9.5, source, "keep", None, None))
        rows.append((f"q{i}", f"d{i}-0", None, 0, 2, 8.5, source, "drop", "relevant", None))
        rows.append((f"q{i}", f"d{i}-1", None, 0, 3, 7.25, source, "keep", None, 1))
        rows.append(
            (
                f"q{i}",
                f"d{other}-3",
                None,
                0,
                4,
                6.0,
                source,
                *(("drop", "duplicate", None) if few else ("keep", None, 2)),
            )
        )
        drops.append(("negatives", "bm25", f"q{i}", f"d{i}-0", "relevant", None))
        if few:
            drops.append(("negatives", "bm25", f"q{i}", f"d{other}-3", "duplicate", None))
            drops.append(("negatives", "bm25", f"q{i}", None, "shortfall", "1 of 2 negatives; drop"))
    _write(stage / "negatives.parquet", rows, schema.NEGATIVES)
    _ledger(stage, drops)


def _generated(stage: Path, *, shortfall: bool) -> None:
    rows, drops = [], []
    source = provenance("llm", "smol")
    for i, thing in enumerate(THINGS):
        if shortfall and i == 5:
            drops.append(("negatives", "llm", f"q{i}", None, "shortfall", "0 of 2 negatives; drop"))
            continue
        for rank in (1, 2):
            text = f"A {thing} can be bought in {rank + i} shops of the town."
            rows.append((f"q{i}", None, text, 0, rank, None, source, "keep", None, rank))
    _write(stage / "negatives.parquet", rows, schema.NEGATIVES)
    _ledger(stage, drops)


def _ledger(stage: Path, drops: list[tuple[str | None, ...]]) -> None:
    _write(stage / "ledger.parquet", drops, schema.LEDGER)
    (stage / "stage.json").write_text(json.dumps({"fingerprint": "f", "files": {}}))


def _write(path: Path, rows: list[tuple[object, ...]] | list[tuple[str | None, ...]], columns: pl.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, schema=columns, orient="row").write_parquet(path)
