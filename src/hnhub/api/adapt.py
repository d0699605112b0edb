"""`hnhub.adapt`: from documents to queries, negatives, a better model, and the proof on what was kept apart."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from hnhub.api.adapt_settings import MEASURES, AdaptOptions, Settings, settled
from hnhub.api.adapting import Adapting
from hnhub.api.compare import Verdict
from hnhub.api.inputs import BiEncoder, CorpusLike, Documents, model_name, open_corpus
from hnhub.api.runs import Run, open_run
from hnhub.api.train import TrainOptions
from hnhub.corpus.opened import Corpus
from hnhub.encode.models import resolve
from hnhub.errors import MissingExtra, ServiceError
from hnhub.learn.statistics import Conclusion
from hnhub.progress import showing
from hnhub.stages import lock
from hnhub.text.table import html_table, text_table

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from hnhub.api.adapt_forecast import AdaptForecast

__all__ = ["Adapted", "adapt", "forecast_adapt"]


@dataclass(frozen=True, repr=False)
class Adapted:
    """A tuned model, the data that it was tuned on, and what may be said of it."""

    folder: Path
    """results.md, results.json, model/, held-out/, train/<corpus>/dataset/ and what they were made from."""
    results: Mapping[str, Any]
    """All that results.json holds, as plain data."""

    @property
    def verdicts(self) -> list[Verdict]:
        """Of the tuned model against base and BM25, by test set and measure; `part` is `all` or `clean`."""
        return [
            Verdict(test["name"], "test", "", measure, part, Conclusion(**_without_sentence(found)))
            for test in self.results["tests"]
            for part, values in (("all", test), ("clean", test["clean"]))
            if values
            for measure, conclusions in values["conclusions"].items()
            for found in conclusions
        ]

    @cached_property
    def run(self) -> Run:
        """The dataset that it was trained on, to look at and to push."""
        return open_run(self.folder / "train" / self.results["corpus"])

    @property
    def held_out(self) -> Path:
        """The held-out set, in BEIR's layout."""
        return self.folder / "held-out"

    def model(self) -> "SentenceTransformer":
        """Load it."""
        from sentence_transformers import SentenceTransformer

        from hnhub.encode.models import quiet_loading

        with quiet_loading():
            return SentenceTransformer(str(self.folder / "model"))

    def __repr__(self) -> str:
        sentences = [c["sentence"] for test in self.results["tests"] for c in self._first(test)]
        return "\n".join([f"{self.folder}/results.md", "", text_table(self._rows()), "", *sentences])

    def _repr_html_(self) -> str:
        return html_table(self._rows(), f"{self.results['base']}, adapted to {self.results['corpus']}")

    def _first(self, test: Mapping[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = test["conclusions"][self.results["measures"][0]]
        return found

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [
            ("test set", "queries", "measure", "bm25", "base", "tuned", "tuned against base")
        ]
        for test in self.results["tests"]:
            for measure, means in test["means"].items():
                figures = (f"{means[system]:.4f}" for system in ("bm25", "base", "tuned"))
                verdict = test["conclusions"][measure][0]["verdict"]
                rows.append((test["name"], f"{test['queries']:,}", measure, *figures, verdict))
        return rows


def _without_sentence(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != "sentence"}


def adapt(
    documents: CorpusLike | Documents,
    *,
    model: BiEncoder,
    name: str | None = None,
    chunk_tokens: int | None = None,
    chunk_overlap: float | None = None,
    llm: str | Sequence[str] | None = None,
    method: str = "bm25",
    train: TrainOptions | None = None,
    seeds: Sequence[int] = (0,),
    test_share: float = 0.15,
    dev_share: float = 0.05,
    test_queries: int = 300,
    judged: Literal["apart", "mixed"] = "apart",
    measures: Sequence[str] = MEASURES,
    margin: float = 0.01,
    **options: Unpack[AdaptOptions],
) -> Adapted:
    """Adapt a bi-encoder to documents, and say with figures whether it got better: the same as `hnhub adapt`.

    `documents` are whatever `open_corpus` takes: a folder of texts (which are cut, by `chunk_tokens` and `chunk_overlap` as there),
    your own passages, a corpus by name. They are
    split, whole documents at a time, into train, dev and test; `llm` writes queries from each part in several styles, filters and a
    judge look at them, negatives by `method` are found among train and dev, `model` is trained with `train`'s settings (one
    training a seed), and it, untrained and trained, and BM25 are measured on the test part's queries against all documents. Where
    the corpus has judgements by people they are measured on too; `judged="apart"` keeps the documents that they found relevant
    out of training, `"mixed"` does not. `out`: where everything goes, by default `runs/adapted/<name>`. The same call goes on
    where it stopped. Everything else: `hnhub.build`'s options (docs/adapt.md).

    Raises UsageError and InputError for what can't be, or where a training row would hold a test passage; ServiceError if an
    endpoint or the Hub fails, LimitReached at `max_tokens` or `max_cost` of the whole; what was made is kept.

    >>> import hnhub, os
    >>> endpoint = os.environ["ENDPOINT"]  # e.g. http://localhost:8000
    >>> found = hnhub.adapt(
    ...     "passages.jsonl", model="models/small", endpoint=endpoint, out="adapted", queries=40, test_queries=20, negatives=2
    ... )
    >>> [(test["kind"], test["queries"]) for test in found.results["tests"]]
    [('written', 20)]
    >>> [(one.system, one.baseline) for one in found.verdicts if one.measure == "nDCG@10"]
    [('tuned', 'base'), ('tuned', 'bm25')]
    """
    settings = settled(
        options,
        method=method,
        llm=llm,
        train=train,
        seeds=seeds,
        test_share=test_share,
        dev_share=dev_share,
        test_queries=test_queries,
        judged=judged,
        measures=measures,
        margin=margin,
    )
    with showing():
        corpus = open_corpus(documents, name=name, chunk_tokens=chunk_tokens, chunk_overlap=chunk_overlap)
        found = _adapting(corpus, model, settings)
        with lock(found.out):
            results = found.carry_out()
    return Adapted(found.out, results)


def forecast_adapt(
    documents: CorpusLike | Documents,
    *,
    model: BiEncoder,
    name: str | None = None,
    chunk_tokens: int | None = None,
    chunk_overlap: float | None = None,
    settings: Settings,
) -> "AdaptForecast":
    """What `adapt` with the same settings would do: stages, requests, tokens, time. Raises as it, before any work."""
    from hnhub.api.adapt_forecast import forecast_of

    with suppress(MissingExtra, ServiceError):  # what it would take can be told without torch or the Hub
        resolve(model_name(model))
    corpus = open_corpus(documents, name=name, chunk_tokens=chunk_tokens, chunk_overlap=chunk_overlap)
    return forecast_of(_adapting(corpus, model, settings))


def _adapting(corpus: Corpus, model: BiEncoder, settings: Settings) -> Adapting:
    place = Path(settings.options.get("out", Path("runs", "adapted", corpus.name)))
    return Adapting(corpus, place, model_name(model), settings)
