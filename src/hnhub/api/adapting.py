"""The parts of `hnhub.adapt`, each a stage: split, test queries, held-out set, dataset, training and scores, model, page."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import polars as pl

from hnhub.adaptation.held_out import make_held_out
from hnhub.adaptation.results import card_section, render_results
from hnhub.adaptation.split import check_apart, make_part, make_split
from hnhub.adaptation.verdicts import SYSTEMS
from hnhub.api.adapt_results import gather
from hnhub.api.adapt_settings import MOST_PER_PASSAGE, POINTS, QUERIES, STYLES, Settings
from hnhub.api.build import BuildOptions, opened_job
from hnhub.corpus.load import Source
from hnhub.corpus.opened import Corpus, opened
from hnhub.encode.models import resolve
from hnhub.errors import InputError
from hnhub.home import home
from hnhub.learn.compare_plan import Plan, PlannedCorpus, Variant
from hnhub.learn.evaluate import Judged, open_split, split_of
from hnhub.learn.options import settings_for
from hnhub.pipeline import run as pipeline
from hnhub.records import evaluation_splits
from hnhub.stages import StageRecord, facts_of, fingerprint, read_record, run_stage, write_atomically

__all__ = ["Adapting"]

_CODE_VERSION = 2
"""Raise it when the split, the held-out set or the page would be others for the same input."""


@dataclass(frozen=True)
class Adapting:
    """One adaptation: what it is of, and where it lies."""

    corpus: Corpus
    out: Path
    model: str
    """As `hnhub.encode.models.resolve` takes it."""
    settings: Settings

    def carry_out(self) -> dict[str, Any]:
        """Make what is not made yet, and return the results."""
        settings_for(self.model, **self.settings.train)
        resolve(self.model)  # before anything is paid for
        self.split()
        spent = self._written_for_test()
        self._held_out()
        dataset = self._dataset(spent)
        compared = self._check(dataset)
        self._trained(dataset)
        results = gather(self, dataset, compared)
        self._model(results)
        write_atomically(self.out / "results.json", json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        write_atomically(self.out / "results.md", render_results(results))
        return results

    def split(self) -> StageRecord:
        """Which passage is of which part."""
        s = self.settings
        parts = {
            "code": _CODE_VERSION,
            "corpus": self.corpus.revision,
            "judged": sorted(self._apart),
            "shares": [s.test_share, s.dev_share],
            "seed": s.seed,
        }

        def make(out: Path, _: Path) -> dict[str, Any]:
            return make_split(
                out,
                self.corpus.folder,
                chunked=self.chunked,
                judged=self._apart,
                test=s.test_share,
                dev=s.dev_share,
                seed=s.seed,
            )

        return run_stage(self.out / "split", parts, make)

    def part(self, name: str, *splits: str) -> Corpus:
        """Some parts of the documents as a corpus of their own."""
        place = self.out / "split" / ".parts" / name
        source = Source(self.corpus.name, self.corpus.source.spec, given=place)
        facts = {**facts_of(self.corpus.folder), "chunked": self.chunked}
        parts = {"split": read_record(self.out / "split" / "stage.json").content, "splits": splits}

        def make(out: Path, _: Path) -> dict[str, Any]:
            return make_part(out, self.corpus.folder, self.out / "split", splits, name=self.corpus.name, facts=facts)

        return opened(place, run_stage(place, parts, make), source)

    def test_options(self) -> BuildOptions:
        """How the test queries are written: without a round trip, since a test set that BM25 has picked favours BM25."""
        return self._options("test", {"queries": self.settings.test_queries, "round_trip": None})

    def train_options(self, spent: Mapping[str, float] | None = None) -> BuildOptions:
        """How the dataset is made, with what is left of the limits."""
        left: dict[str, Any] = {}
        options, used = self.settings.options, spent or {}
        if (most := options.get("max_tokens")) is not None:
            left["max_tokens"] = max(1, round(most - used.get("prompt_tokens", 0) - used.get("completion_tokens", 0)))
        if (cost := options.get("max_cost")) is not None:
            left["max_cost"] = max(1e-12, cost - used.get("cost", 0))
        return self._options("train", left)

    @cached_property
    def human_split(self) -> str | None:
        """The judged split that people's judgements are taken of; None if there is none."""
        declared = facts_of(self.corpus.folder).get("evaluation_splits")
        found = evaluation_splits(self.corpus.judged, declared)
        return "test" if "test" in found else next(iter(found), None)

    @property
    def chunked(self) -> bool:
        """Whether hnhub cut the documents."""
        return bool(facts_of(self.corpus.folder).get("chunked"))

    @cached_property
    def _apart(self) -> frozenset[str]:
        """The passages that people found relevant, if they are to be kept apart."""
        if self.human_split is None or self.settings.judged == "mixed":
            return frozenset()
        judged = pl.read_parquet(self.corpus.folder / "qrels.parquet").filter(pl.col("score") > 0)
        return frozenset(judged.filter(pl.col("split") == self.human_split)["document_id"])

    def _options(self, part: str, changes: Mapping[str, Any]) -> BuildOptions:
        s, options = self.settings, dict(self.settings.options)
        embedded = options.get("endpoint", "local") in ("local", ("local",), ["local"])
        found = {"query_styles": STYLES, "query_judge": None if embedded else POINTS, **options, **changes}
        if s.llm is not None:
            found["model"] = s.llm
        passages = facts_of(self.out / "split")["passages"][part]
        wanted = found.setdefault("queries", QUERIES)
        found.setdefault("per_passage", min(MOST_PER_PASSAGE, max(1, -(-wanted // passages))))
        return cast("BuildOptions", {**found, "methods": [s.method], "out": self.out / part})

    def _written_for_test(self) -> Mapping[str, float]:
        """The stage of the test queries; what it cost in this run."""
        with opened_job(self.part("test", "test"), None, self.test_options()) as job:
            steps = pipeline.stages(job)
            for step in steps:  # a wrong encoder is refused before queries are paid for
                step.parameters()
            pipeline.run(steps[:2], job.folder)
            return dict(job.model.spent) if job.model else {}

    def _held_out(self) -> None:
        queries = self.out / "test" / self.corpus.name / "queries"
        parts = {
            "code": _CODE_VERSION,
            "corpus": self.corpus.revision,
            "queries": read_record(queries / "stage.json").content,
        }
        run_stage(
            self.out / "held-out",
            parts,
            lambda out, _: make_held_out(out, self.corpus.folder, queries / "queries.parquet"),
        )

    def _dataset(self, spent: Mapping[str, float]) -> Path:
        with opened_job(self.part("train", "train", "dev"), None, self.train_options(spent)) as job:
            pipeline.run(pipeline.stages(job), job.folder)
            return job.folder / "dataset"

    def _check(self, dataset: Path) -> int:
        files = sorted((dataset / "data" / self.settings.method).glob("*.parquet"))
        if not files:
            raise InputError(
                f"{dataset}: holds no text to train on (its licence forbids it)",
                do="say by --i-have-the-rights that you may use it",
            )
        return check_apart([pl.read_parquet(file) for file in files], self.corpus.folder, self.out / "split")

    @cached_property
    def tests(self) -> dict[str, Judged]:
        """By name: the held-out set, and people's judgements if there are any."""
        name = f"{self.corpus.name}-held-out"
        found = {name: open_split(name, "test", self.out / "held-out")}
        if self.human_split is not None:
            found[self.corpus.name] = split_of(self.corpus, self.human_split)
        return found

    def _trained(self, dataset: Path) -> None:
        from hnhub.learn.compare import compare
        from hnhub.learn.search import LexicalSearcher

        s = self.settings
        plan = Plan(
            corpora={name: PlannedCorpus(split=test.split) for name, test in self.tests.items()},
            models={"model": self.model},
            variants={
                "bm25": Variant(run="bm25"),
                "base": Variant(),
                "tuned": Variant(dataset=str(dataset), config=s.method),
            },
            baseline="base",
            seeds=s.seeds,
            measures=s.measures,
            margin=s.margin,
            on_leak="drop",
            train={key: value for key, value in s.train.items() if key != "seed"},
        )
        cache = home()
        compare(
            plan,
            self.out / "compare",
            cache / "embeddings",
            lambda test: LexicalSearcher.open(test, cache / "bm25"),
            tests=self.tests,
        )

    def scores(self, test: str) -> dict[str, list[Path]]:
        """Per-query tables of a test set, by system, one a seed."""
        seeds = {"tuned": self.settings.seeds}
        folder = self.out / "compare" / "scores" / "model"
        return {
            system: [folder / system / test / f"seed-{seed}" / "scores.parquet" for seed in seeds.get(system, (0,))]
            for system in SYSTEMS
        }

    @property
    def tuned(self) -> Path:
        """The model as it was trained, of the first seed."""
        return self.out / "compare" / "models" / "model" / "tuned" / "all" / f"seed-{self.settings.seeds[0]}"

    def _model(self, results: Mapping[str, Any]) -> None:
        record = read_record(self.tuned / "stage.json")
        parts = {"code": _CODE_VERSION, "model": record.content, "results": fingerprint(dict(results))}

        def make(out: Path, _: Path) -> dict[str, Any]:
            shutil.copytree(self.tuned, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("stage.json"))
            card = (self.tuned / "README.md").read_text(encoding="utf-8")
            (out / "README.md").write_text(card_section(card, results), encoding="utf-8")
            return {}

        run_stage(self.out / "model", parts, make)
