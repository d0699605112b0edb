"""`hnhub.compare`: variants x models x corpora x seeds, and what may be concluded."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from hnhub.errors import UsageError
from hnhub.home import home
from hnhub.learn.compare_plan import Plan, read_plan
from hnhub.learn.evaluate import Evaluation
from hnhub.learn.report import render_results, write_results
from hnhub.learn.statistics import Conclusion, Test, conclude, sentence
from hnhub.progress import showing
from hnhub.stages import lock
from hnhub.text.table import html_table

__all__ = ["Comparison", "Verdict", "compare", "verdict"]


@dataclass(frozen=True, repr=False)
class Verdict:
    """What may be said of a system against a baseline, on the same queries, by one measure."""

    corpus: str
    split: str
    model: str
    """The short name of the model that both were made from; empty where there is none."""
    measure: str
    part: str
    """`all` queries, or `clean`: those that no variant's training touched."""
    conclusion: Conclusion
    """The figures behind it: difference, interval, p values, margin, alpha."""

    @property
    def system(self) -> str:
        """What is judged."""
        return self.conclusion.system

    @property
    def baseline(self) -> str:
        """What it is held against."""
        return self.conclusion.baseline

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `equivalent` (within the margin) or `undecided`."""
        return self.conclusion.verdict

    @property
    def difference(self) -> float:
        """The system's mean minus the baseline's."""
        return self.conclusion.difference

    @property
    def interval(self) -> tuple[float, float]:
        """The bootstrap interval of the difference over queries."""
        return self.conclusion.low, self.conclusion.high

    def __str__(self) -> str:
        """One plain sentence, with its figures."""
        where = f"{self.corpus}{' without contaminated queries' if self.part == 'clean' else ''}"
        return sentence(self.conclusion, self.measure, ", ".join(filter(None, (where, self.model))))

    __repr__ = __str__


@dataclass(frozen=True, repr=False)
class Comparison:
    """What a plan's variants were measured at, and the verdicts."""

    folder: Path
    """Trained models, runs, per-query scores, results.json, results.md and plots."""
    results: Mapping[str, Any]
    """All that results.json holds, as plain data."""

    @property
    def verdicts(self) -> list[Verdict]:
        """Every conclusion, by corpus, model, part and measure."""
        return [
            Verdict(
                one["corpus"],
                one["split"],
                one["model"],
                measure,
                part,
                Conclusion(**{key: value for key, value in found.items() if key != "sentence"}),
            )
            for one in self.results["comparisons"]
            for part, parts in one["parts"].items()
            for measure, conclusions in parts["conclusions"].items()
            for found in conclusions
        ]

    def to_frame(self) -> pl.DataFrame:
        """A row a corpus, model, part, measure and variant: mean over queries and seeds, and the seeds' spread."""
        return pl.DataFrame(
            [
                {
                    "corpus": one["corpus"],
                    "split": one["split"],
                    "model": one["model"],
                    "part": part,
                    "measure": measure,
                    "variant": variant,
                    **found,
                }
                for one in self.results["comparisons"]
                for part, parts in one["parts"].items()
                for measure, means in parts["means"].items()
                for variant, found in means.items()
            ],
            schema_overrides={"sd_over_seeds": pl.Float64},
        )

    def __repr__(self) -> str:
        return render_results(self.results)

    def _repr_markdown_(self) -> str:
        # Plots are named relative to the folder, where a notebook is not.
        return "\n".join(line for line in render_results(self.results).split("\n") if not line.startswith("!["))

    def _repr_html_(self) -> str:
        rows = [
            (
                v.corpus,
                v.model,
                v.part,
                v.measure,
                f"{v.system} against {v.baseline}",
                f"{v.difference:+.4f}",
                v.verdict,
            )
            for v in self.verdicts
        ]
        return html_table([("corpus", "model", "queries", "measure", "variant", "difference", "verdict"), *rows])


def compare(plan: Plan | str | os.PathLike[str], *, out: str | os.PathLike[str] | None = None) -> Comparison:
    """Train and evaluate what a plan says, going on from what is there, and conclude.

    `plan` is a TOML file (docs/learn.md) or a Plan. `out` is the folder of everything that is made; by default
    `runs/compare/<the plan file's name>`, while a Plan needs one. Raises InputError for a bad plan before anything runs,
    UsageError if another process is at work in `out`, and as `train` and `evaluate`.

    >>> import hnhub
    >>> found = hnhub.compare("plan.toml", out="runs/compare/small")
    >>> [(one.system, one.baseline, one.measure) for one in found.verdicts]
    [('lexical', 'base', 'nDCG@10')]
    >>> found.to_frame().columns[4:7]
    ['measure', 'variant', 'mean']
    """
    from hnhub.learn.compare import compare as carry_out
    from hnhub.learn.search import LexicalSearcher

    if isinstance(plan, Plan):
        if out is None:
            raise UsageError("a Plan has no name that a folder could be called by", do="give out=")
        checked, folder = plan, Path(out)
    else:
        checked = read_plan(Path(plan))
        folder = Path(out) if out is not None else Path("runs", "compare", Path(plan).stem)
    with lock(folder), showing():
        cache = home()
        results = carry_out(
            checked, folder, cache / "embeddings", lambda test: LexicalSearcher.open(test, cache / "bm25")
        )
        write_results(folder, results)
    return Comparison(folder, results)


def verdict(
    system: Evaluation,
    baseline: Evaluation,
    *,
    measure: str | None = None,
    margin: float = 0.01,
    alpha: float = 0.05,
    test: Test = "randomisation",
) -> Verdict:
    """What may be said of one evaluation against another of the same corpus and split.

    `measure`: by default the first that both have. `margin`: the largest difference that does not matter. A difference is
    claimed by a paired test over queries, equivalence only by two one-sided tests against the margin. Raises UsageError if the
    two are of different queries or have no measure in common.

    >>> import hnhub
    >>> corpus = hnhub.open_corpus(
    ...     {"d1": "kettles boil water", "d2": "rivers carry boats", "d3": "glaciers are old ice"}, name="water",
    ...     queries={"q1": "what boils water", "q2": "old ice", "q3": "carry boats"},
    ...     qrels={"q1": ["d1"], "q2": ["d3"], "q3": ["d2"]},
    ... )
    >>> found = hnhub.evaluate("bm25", corpus)
    >>> nothing = hnhub.evaluate("nothing", corpus, run={"q1": {}})
    >>> hnhub.verdict(found, nothing).verdict
    'undecided'
    """
    one, other = system.scores, baseline.scores
    if (system.judged.corpus, system.judged.revision, one.query_ids) != (
        baseline.judged.corpus,
        baseline.judged.revision,
        other.query_ids,
    ):
        raise UsageError(
            f"{system.model} was evaluated on {system.judged.corpus}, {system.judged.split}, and {baseline.model} on "
            f"{baseline.judged.corpus}, {baseline.judged.split}",
            do="evaluate both on the same corpus and split",
        )
    shared = [name for name in one.values if name in other.values]
    chosen = measure or next(iter(shared), None)
    if chosen not in shared:
        raise UsageError(f"no measure {chosen!r} in both", do=f"use one of: {', '.join(shared) or 'none'}")
    names = (system.model, baseline.model if baseline.model != system.model else f"{baseline.model} (baseline)")
    values = dict(zip(names, (one.values[chosen], other.values[chosen]), strict=True))
    (found,) = conclude(values, [names], margin=margin, alpha=alpha, test=test)
    return Verdict(system.judged.corpus, system.judged.split, "", chosen, "all", found)
