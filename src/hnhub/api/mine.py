"""`hnhub.mine`: hard negatives for pairs that one has."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

import polars as pl
import pyarrow.parquet as pq

from hnhub.api.build import BuildOptions, MakingOptions, build
from hnhub.api.inputs import BiEncoder, CorpusLike, Documents, Reranker, given_rows, model_name, open_corpus
from hnhub.api.pairs import PairsLike, pair_frames
from hnhub.api.runs import Run
from hnhub.corpus.pairs import Pairs, open_pairs
from hnhub.errors import UsageError
from hnhub.home import home
from hnhub.pipeline.decisions import ordered
from hnhub.progress import no_bars, showing
from hnhub.records import METHODS, MiningOptions
from hnhub.rows.mined import make_mined
from hnhub.schema import triplet
from hnhub.stages import StageRecord, read_record, run_stage, waiting_lock
from hnhub.text.table import html_table, text_table

if TYPE_CHECKING:
    import datasets

__all__ = ["MineOptions", "Mined", "mine"]

log = logging.getLogger(__name__)


class MineOptions(MiningOptions, MakingOptions, total=False):
    """Options of `mine`: how negatives are chosen, and where and how it is done."""


@dataclass(frozen=True, repr=False)
class Mined:
    """Pairs with their negatives, by method."""

    run: Run
    """The dataset that was built of them: to validate, train on, look at, publish."""
    files: dict[str, Path]
    """By method: Parquet with `query`, `positive`, `negative_1` to `negative_n`, and the columns that the pairs had beside them."""
    pairs: int
    """How many came, with a query and a positive."""

    @property
    def dataset(self) -> "datasets.Dataset":
        """The (first) method's rows, ready to train with: `query`, `positive`, `negative_1` to `negative_n`, in the pairs' order."""
        return self.datasets[next(iter(self.files))].select_columns(
            triplet(self.run.manifest["recipe"]["negatives"]).names()
        )

    @property
    def datasets(self) -> "dict[str, datasets.Dataset]":
        """Every method's rows, with the columns that the pairs had."""
        import datasets

        def load(path: Path) -> "datasets.Dataset":
            if not pq.read_metadata(path).num_rows:  # from_parquet takes no table without rows
                return datasets.Dataset(pq.read_table(path))
            return datasets.Dataset.from_parquet(str(path), cache_dir=str(home() / "datasets"))

        with no_bars():
            return {method: load(path) for method, path in self.files.items()}

    @property
    def scored(self) -> pl.DataFrame:
        """A row a candidate of the (first) method: rank, score, verdict, reason (docs/columns.md)."""
        return self.run.to_frame(f"{next(iter(self.files))}-scored")

    @property
    def ledger(self) -> pl.DataFrame:
        """A row for each pair, query and candidate that was dropped, with its reason."""
        return self.run.ledger

    @property
    def rows(self) -> dict[str, int]:
        """By method, how many pairs have their negatives."""
        return {method: read_record(path.parent / "stage.json").facts["rows"] for method, path in self.files.items()}

    def summary(self) -> str:
        """How many rows each method gives, and what was dropped and why."""
        return "\n\n".join([text_table(self._counts()), text_table(self.run.drops)])

    def _counts(self) -> list[tuple[str, str]]:
        rows = [(f"rows by {method}", f"{count:,}") for method, count in self.rows.items()]
        return [("pairs", f"{self.pairs:,}"), *rows]

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return html_table([("what", "count"), *self._counts()]) + html_table(self.run.drops, "dropped")


def mine(
    pairs: PairsLike,
    *,
    corpus: CorpusLike | Documents | None = None,
    method: "str | list[str] | tuple[str, ...]" = "bm25",
    negatives: int = 5,
    model: BiEncoder | Reranker | None = None,
    query: str | None = None,
    positive: str | None = None,
    seed: int = 0,
    name: str | None = None,
    **options: Unpack[MineOptions],
) -> Mined:
    """Find hard negatives for pairs of a query and a positive: guarded, cut, judged and explained as in `hnhub.build`.

    `pairs` are tuples, dicts, a frame, a Dataset, a file (JSONL, CSV, TSV, Parquet) or a dataset on the Hub; `query` and
    `positive` name its columns where they have no usual name. A query may stand there several times, or have a list of
    positives: all of them are kept out of its negatives. `corpus` is where negatives come from, as `open_corpus` takes it; by
    default the positives themselves, and positives that it lacks are added to it.

    `method` is one or several of `hnhub.records.METHODS`. `model` is the bi-encoder of `dense` and `hybrid`, the cross-encoder
    of `ce` or the LLM's name for `llm`; where methods need several, name them by `bi_encoder` and `cross_encoder`. Stages lie
    in `<out>/<name>/`, by default below HNHUB_HOME, and are taken again for the same input.

    Raises InputError for pairs or a corpus that can't be read, UsageError for options that make no sense, and as `build`.

    >>> import hnhub
    >>> pairs = [(f"what boils {n} litres", f"Kettle {n} boils {n} litres of water.") for n in range(20)]
    >>> mined = hnhub.mine(pairs, negatives=2)
    >>> mined.dataset.column_names
    ['query', 'positive', 'negative_1', 'negative_2']
    >>> len(mined.dataset), mined.dataset[3]["positive"]
    (20, 'Kettle 3 boils 3 litres of water.')
    """
    methods = ordered([method] if isinstance(method, str) else list(method))
    asked = cast("BuildOptions", {**options, **_models(methods, model)})  # checked by `build`
    asked |= {"methods": methods, "negatives": negatives, "seed": seed, "queries_from": "qrels"}
    asked["out"] = options.get("out", home() / "mined")
    with showing():
        frames = pair_frames(pairs, query, positive)
        documents = None if corpus is None else given_rows(corpus) or open_corpus(corpus)
        found = open_pairs(name, frames, documents)
        run = build(found.corpus, **asked)
        records = {method: _rows(found, run, method) for method in methods}
    files = {method: _place(run, method) / "rows.parquet" for method in methods}
    for one, record in records.items():
        if not record.facts["rows"]:
            log.warning(
                "%s: none of %d pairs got %d negatives; ask for fewer, or give a larger corpus by --corpus",
                one,
                record.facts["pairs"],
                negatives,
            )
    return Mined(run, files, records[methods[0]].facts["pairs"])


def _models(methods: tuple[str, ...], model: BiEncoder | Reranker | None) -> dict[str, str]:
    """Which of the recipe's models it is."""
    if model is None:
        return {}
    kinds = {
        "bi_encoder": any(METHODS[one].encodes or "dense" in METHODS[one].sources for one in methods),
        "cross_encoder": any(METHODS[one].scores_positive for one in methods),
        "model": any(METHODS[one].written for one in methods),
    }
    wanted = [kind for kind, needed in kinds.items() if needed]
    if len(wanted) != 1:
        raise UsageError(
            f"{', '.join(methods)}: {'several models are needed' if wanted else 'no model is needed'}",
            do="name each by bi_encoder= and cross_encoder=" if wanted else "leave model out",
        )
    return {wanted[0]: model_name(model, "CrossEncoder" if wanted[0] == "cross_encoder" else "SentenceTransformer")}


def _place(run: Run, method: str) -> Path:
    return run.folder.parent / "mined" / method


def _rows(pairs: Pairs, run: Run, method: str) -> StageRecord:
    recipe, folder = run.manifest["recipe"], run.folder.parent
    negatives = read_record(folder / "negatives" / method / "stage.json")
    parts = {
        "version": 1,
        "pairs": pairs.corpus.revision,
        "negatives": negatives.content,
        "count": recipe["negatives"],
        "keep_short": recipe["on_shortfall"] == "keep",
    }

    def make(out: Path, work: Path) -> dict[str, Any]:
        return make_mined(
            out,
            work,
            pairs=pairs.rows,
            negatives=folder / "negatives" / method / "negatives.parquet",
            documents=folder / "corpus" / "documents.parquet",
            count=recipe["negatives"],
            keep_short=recipe["on_shortfall"] == "keep",
        )

    place = _place(run, method)
    with waiting_lock(place.parent, method):
        return run_stage(place, parts, make)
