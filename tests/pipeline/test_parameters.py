"""What each decision of a recipe remakes: by the parameters that the stages of a real job tell."""

import json
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

import hnhub
from hnhub.api.build import opened_job
from hnhub.errors import InputError
from hnhub.pipeline.miners import CANDIDATES, CrossEncoderParameters
from hnhub.pipeline.parameters import Parameters
from hnhub.pipeline.run import run as pipeline_run
from hnhub.pipeline.run import stages
from hnhub.records import METHODS, Recipe
from hnhub.score.eight_bits import GROUP
from hnhub.stages import read_record
from llm_servers.scripted import Scripted
from llm_servers.writer import Writer
from small_corpus import WORDS, write_corpus
from small_miners import write_cross_encoder
from small_models import word_vectors

PROMPTS = Path(hnhub.__file__).parent / "llm" / "prompt_files"

Stages = Mapping[str, Mapping[str, Any]]

WRITTEN = {"candidates/llm", "candidates/llm-pos", "candidates/llm-graded"}
ASKED = {"queries", "judgements", *WRITTEN}
CHOSEN = {"judgements", "negatives"}
RANKED = {"candidates/bm25", "candidates/dense", "candidates/hybrid", "candidates/ce"}

# Field of the recipe -> an option that varies it, and the stages whose own parameters it changes. `judgements` and
# `negatives` are those of every method. The dataset's always change: it tells the whole recipe.
CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "corpus": ({"name": "other"}, {"corpus"}),
    "methods": ({"methods": ["bm25", "ce"]}, set()),
    "queries": ({"queries": 7}, {"queries"}),
    "queries_from": ({"queries_from": "qrels"}, {"queries"}),
    "round_trip": ({"round_trip": None}, {"queries"}),
    "query_styles": ({"query_styles": {"keyword": 1.0}}, {"queries"}),
    "per_passage": ({"per_passage": 2}, {"queries"}),
    "query_judge": ({"query_judge": 7}, {"queries"}),
    "positives": ({"positives": 1}, set()),
    "negatives": ({"negatives": 3}, WRITTEN | CHOSEN),
    "depth": ({"depth": 50}, RANKED),
    "seed": ({"seed": 1}, {"queries", *WRITTEN, *CHOSEN}),
    "model": ({"model": "two"}, ASKED),
    "generators": ({"model": ["one", "two"]}, {"queries"}),
    "temperature": ({"temperature": 0.1}, {"queries", *WRITTEN}),
    "top_p": ({"top_p": 0.1}, {"queries", *WRITTEN}),
    "thinking": ({"thinking": "off"}, ASKED),
    "extra_body": ({"extra_body": {"top_k": 20}}, ASKED),
    "prompts": ({"prompts": {"negative": "negative.toml"}}, {"candidates/llm"}),
    "language": ({"language": "de"}, {"queries", "candidates/bm25", *WRITTEN, *CHOSEN}),
    "bm25": ({"bm25": {"k1": 1.2}}, {"queries", "candidates/bm25"}),
    "bi_encoder": ({"bi_encoder": "models/b"}, {"candidates/dense"}),
    "faiss": ({"faiss": "Flat"}, {"candidates/dense"}),
    "cross_encoder": ({"cross_encoder": "models/b"}, {"candidates/ce"}),
    "precision": ({"precision": "fp32"}, {"candidates/dense", "candidates/ce"}),
    "max_percent": ({"max_percent": 0.9}, {"judgements/ce", "negatives/ce"}),
    "max_margin": ({"max_margin": 1.0}, {"judgements/ce", "negatives/ce"}),
    "judge": ({"judge": "ce"}, {"judgements"}),
    "promote": ({"promote": "positive"}, {"negatives"}),
    "sampling": ({"sampling": "random"}, CHOSEN),
    "rank_min": ({"rank_min": 2}, CHOSEN),
    "rank_max": ({"rank_max": 50}, CHOSEN),
    "on_shortfall": ({"on_shortfall": "keep"}, {"negatives"}),
}


@dataclass(frozen=True)
class Place:
    """A corpus, models and an endpoint."""

    folder: Path
    endpoint: str

    def stages(self, *, name: str = "made", **options: Any) -> Stages:
        given = {"methods": list(METHODS), "judge": "llm", "endpoint": self.endpoint, "bi_encoder": "models/a",
                 "cross_encoder": "models/a", "out": self.folder / "runs"}  # fmt: skip
        with opened_job(self.folder / "made", name, {**given, **options}) as job:  # type: ignore[typeddict-item]
            return {stage.name: stage.parameters().as_dict() for stage in stages(job)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    write_corpus(folder / "made")
    for name in "ab":  # nothing is loaded: only what a model is counts here
        (folder / "models" / name).mkdir(parents=True)
        (folder / "models" / name / "config.json").write_text(f'{{"name": "{name}"}}')
    text = next(PROMPTS.glob("negative*.toml")).read_text(encoding="utf-8")
    (folder / "negative.toml").write_text(f"# Mine.\n{text}", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, Scripted(models=("one", "two")) as server:
        patch.chdir(folder)
        patch.setenv("HNHUB_HOME", str(folder / "home"))
        yield Place(folder, server.url)


@pytest.fixture(scope="module")
def plain(place: Place) -> Stages:
    return place.stages()


def changed(before: Stages, after: Stages) -> set[str]:
    """The stages in both whose parameters differ; a kind of stage by its name alone where all of that kind do."""
    shared = before.keys() & after.keys()
    differ = {name for name in shared if before[name] != after[name]}
    for kind in ("judgements", "negatives"):
        every = {name for name in shared if name.startswith(f"{kind}/")}
        if every and every <= differ:
            differ = differ - every | {kind}
    return differ


def test_every_field_of_the_recipe_has_its_stages() -> None:
    assert set(CHANGES) == {field.name for field in fields(Recipe)}


@pytest.mark.parametrize("field", CHANGES)
def test_a_decision_changes_these_stages_and_no_other(field: str, place: Place, plain: Stages) -> None:
    options, expected = CHANGES[field]
    assert changed(plain, place.stages(**options)) == {*expected, "dataset"}


def test_the_cross_encoder_counts_for_what_it_judges(place: Place) -> None:
    before, after = (place.stages(judge="ce", cross_encoder=f"models/{name}") for name in "ab")
    assert changed(before, after) == {"judgements", "candidates/ce", "dataset"}


def test_judged_queries_depend_on_no_model(place: Place) -> None:
    before, after = (place.stages(queries_from="qrels", model=name) for name in ("one", "two"))
    assert "queries" not in changed(before, after)


def test_every_method_has_parameters() -> None:
    assert set(CANDIDATES) == set(METHODS)


def test_a_new_field_at_its_default_changes_no_fingerprint() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Before(Parameters):
        VERSION: ClassVar[int] = 1
        depth: int

    @dataclass(frozen=True, kw_only=True)
    class After(Before):
        faiss: str | None = None

    assert After(depth=3).as_dict() == Before(depth=3).as_dict() == {"version": 1, "depth": 3}
    assert After(depth=3, faiss="Flat").as_dict() == {"version": 1, "depth": 3, "faiss": "Flat"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_stages_of_equal_fingerprints_have_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds, each with another decision: what none of a stage's parameters tells changes nothing that it makes."""
    corpus = write_corpus(tmp_path / "made", 60, 16) / "corpus.jsonl"
    texts = [json.loads(line)["text"] for line in corpus.read_text(encoding="utf-8").splitlines()]
    models = {"bi_encoder": word_vectors(tmp_path / "bi", 32), "cross_encoder": write_cross_encoder(tmp_path)}
    for name, folder in list(models.items()):
        models[f"other {name}"] = str(shutil.copytree(folder, f"{folder}-other"))
        Path(models[f"other {name}"], "notes.txt").write_text("The same model, in another folder and of another hash.")
    text = next(PROMPTS.glob("negative*.toml")).read_text(encoding="utf-8")
    (tmp_path / "negative.toml").write_text(f"# Mine.\n{text}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    writer, known = Writer(texts), dict[tuple[str, str], tuple[str, str]]()

    def say(asked: str, seed: int) -> str:
        """As the writer, but with negatives that differ."""
        answer = json.loads(writer(asked, seed))
        words = random.Random(f"{asked} {seed}").choices(WORDS, k=12)
        return json.dumps({"negative": " ".join(words)} if "negative" in answer else answer)

    shared = 0
    with Scripted(text=say, models=("one", "two")) as server:
        given = {"methods": ["llm", "bm25", "dense", "ce", "hybrid"], "judge": "llm", "queries": 8, "negatives": 2,
                 "depth": 12, "language": "en", "on_shortfall": "keep", "endpoint": server.url, "workers": 1}  # fmt: skip
        for field, (varied, _) in {"": ({}, set()), **CHANGES}.items():
            options = {**given, **{name: models[name] for name in ("bi_encoder", "cross_encoder")}, **varied}
            if field in models:
                options[field] = models[f"other {field}"]
            out = tmp_path / "runs" / field
            with suppress(InputError):  # without a query, in German
                name = options.pop("name", "made")
                with opened_job(tmp_path / "made", name, {**options, "out": out}) as job:  # type: ignore[typeddict-item]
                    pipeline_run(stages(job)[:-1], job.folder)  # the dataset tells the whole recipe
            for path in sorted(out.rglob("stage.json")):
                stage, record = path.parent.relative_to(out).as_posix().partition("/")[2], read_record(path)
                content, before = known.setdefault((stage, record.fingerprint), (record.content, field))
                assert record.content == content, f"{stage}: {field or 'plain'} and {before or 'plain'} differ"
                shared += before != field
    assert shared > 200


def test_the_group_of_int8_counts_for_int8_alone() -> None:
    def parts(precision: str) -> dict[str, Any]:
        recipe = Recipe(corpus="made", cross_encoder="local", precision=precision)  # type: ignore[arg-type]
        return CrossEncoderParameters.of(SimpleNamespace(recipe=recipe), "ce").as_dict()  # type: ignore[arg-type]

    assert parts("int8")["int8_group"] == GROUP
    assert all("int8_group" not in parts(precision) for precision in ("auto", "fp32", "bf16"))
