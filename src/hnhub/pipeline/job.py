"""What a build is made from, and what a stage of it is."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnhub.bm25.languages import in_language
from hnhub.corpus.load import Source
from hnhub.engine.local import LOCAL, Engine
from hnhub.marks import Marks
from hnhub.pipeline.parameters import Parameters
from hnhub.records import Recipe
from hnhub.stages import facts_of
from hnhub.text.language import Language, measure

if TYPE_CHECKING:
    from hnhub.llm.client import Model
    from hnhub.llm.prompts import Prompt

__all__ = ["Job", "Make", "Stage"]

Make = Callable[[Path, Path], Mapping[str, Any]]


@dataclass(frozen=True)
class Job:
    """All that a build is made from."""

    recipe: Recipe
    version: str
    source: Source
    folder: Path
    """`<out>/<corpus>`."""
    prompts: "Mapping[str, Prompt]"
    """By task, one for each of `prompt_tasks(recipe)`."""
    model: "Model | None"
    home: Path
    """Where indexes lie that several builds share."""
    engine: Engine = LOCAL
    """Where the parts of its stages are made."""
    generators: "tuple[Model, ...]" = ()
    """Further models that write queries."""
    marks: Marks | None = None
    """What a person said of rows of an earlier build."""
    rights: str | None = None
    """The user's statement that they may publish a corpus whose licence is unknown or forbids it."""

    @property
    def documents(self) -> Path:
        """The corpus's documents."""
        return self.folder / "corpus" / "documents.parquet"

    @property
    def queries(self) -> Path:
        """The frozen queries, the same for every method."""
        return self.folder / "queries" / "queries.parquet"

    @property
    def models(self) -> "tuple[Model, ...]":
        """Who writes queries; the first does everything else, too."""
        return (self.model, *self.generators) if self.model else ()

    @property
    def asked(self) -> dict[str, dict[str, Any]] | None:
        """What the models were asked, by method (`hnhub.llm.client.Model.totals`), all together."""
        if self.model is None:
            return None
        total = self.model.totals
        for model in self.generators:
            for method, counts in model.totals.items():
                known = total.setdefault(method, {"failures": {}})
                failures = Counter(known["failures"]) + Counter(counts["failures"])
                known |= {name: known.get(name, 0) + count for name, count in counts.items() if name != "failures"}
                known["failures"] = dict(sorted(failures.items()))
        return total

    @property
    def corpus_revision(self) -> str:
        """The revision of the corpus as it was loaded."""
        return str(facts_of(self.folder / "corpus").get("revision", "user"))

    @cached_property
    def language(self) -> Language:
        """The one of the recipe, or as the corpus looks."""
        return Language(self.recipe.language) if self.recipe.language else measure(self.documents)

    @cached_property
    def made_by(self) -> Recipe:
        """The recipe with what the corpus's language decides in its place, for those who make a stage."""
        code = self.language.code
        return replace(self.recipe, language=code, bm25=in_language(self.recipe.bm25, code))

    @property
    def chunked(self) -> bool:
        """Whether hnhub cut the documents, so that their ids tell which are of one file."""
        return bool(facts_of(self.folder / "corpus").get("chunked"))

    def candidates(self, *sources: str) -> dict[str, Path]:
        """The candidates' files of these sources."""
        return {name: self.folder / "candidates" / name / "candidates.parquet" for name in sources}


@dataclass(frozen=True)
class Stage:
    """One step: its folder below the build's, what it needs, what else it is made from, and how."""

    name: str
    needs: tuple[str, ...]
    parameters: Callable[[], Parameters]
    """May ask the Hub for a model's revision, so it is called only when it is needed."""
    make: Make
    record_name: str = "stage.json"
