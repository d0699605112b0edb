"""Written negatives: asks, rounds, seeds, and what is kept of the answers. The model here answers by rules."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hnhub.errors import InputError
from hnhub.llm.prompts import find_prompt
from hnhub.llm.types import Answer, Request
from hnhub.negatives.llm import MAX_ROUNDS, make_candidates
from hnhub.negatives.mining import Mining
from hnhub.records import Provenance, Recipe
from hnhub.schema import CANDIDATES, DOCUMENTS, FROZEN_QUERIES, LEDGER

WORDS = (
    "lambs",
    "copper",
    "peat",
    "bolus",
    "season",
    "pasture",
    "bone",
    "oxide",
    "winter",
    "trial",
    "dose",
    "Peru",
    "ore",
)
POSITIVE = "Zinc deficiency slows the growth of children, and supplements bring it back within a year of treatment."


class Rules:
    """Puts words together as the seed says; `say` may answer something else for an ask of a query, None being a failure."""

    def __init__(self, say: dict[int, str | None] | None = None) -> None:
        self.say = say or {}
        self.requests: list[Request] = []

    def ask(self, requests: Iterable[Request]) -> Iterator[Answer]:
        for request in requests:
            self.requests.append(request)
            provenance = Provenance("?", model="rules", revision="1", seed=request.seed)
            digest = hashlib.sha256(str(request.seed).encode()).digest()
            text = self.say.get(int(request.id.split("#")[1]), " ".join(WORDS[byte % len(WORDS)] for byte in digest))
            if text is None:
                yield Answer(request, None, None, "timed out", 50, 0, provenance, cached=False)
            else:
                yield Answer(
                    request, json.dumps({"negative": text}), {"negative": text}, None, 50, 30, provenance, cached=False
                )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = [(f"d{i}", "", POSITIVE.replace("year", f"year {i}")) for i in range(4)]
    pl.DataFrame(documents, schema=DOCUMENTS, orient="row").write_parquet(tmp_path / "documents.parquet")
    queries = [("train", f"q{i}", f"does zinc make {i} children grow", [f"d{i}", "d3"], None) for i in range(3)]
    pl.DataFrame(queries, schema=FROZEN_QUERIES, orient="row").write_parquet(tmp_path / "queries.parquet")
    return tmp_path


def make(
    folder: Path,
    model: Any,
    *,
    with_positive: bool = False,
    method: str | None = None,
    name: str = "out",
    prompt: Any = None,
    **changes: Any,
) -> tuple[dict[str, Any], pl.DataFrame, pl.DataFrame]:
    out = folder / name
    out.mkdir()
    facts = make_candidates(
        out,
        folder / f"work-{name}",
        Mining(
            documents=folder / "documents.parquet",
            queries=folder / "queries.parquet",
            recipe=Recipe("tiny", **{"negatives": 3, **changes}),
            method=method or ("llm-pos" if with_positive else "llm"),
            model=model,
            prompt=prompt or find_prompt("negative-pos" if with_positive else "negative"),
            corpus_revision="r1",
        ),
    )
    candidates, ledger = (pl.read_parquet(out / f"{name}.parquet") for name in ("candidates", "ledger"))
    assert candidates.schema == CANDIDATES
    assert ledger.schema == LEDGER
    return facts, candidates, ledger


class Levels:
    """Answers with a passage of each level, made of the request's seed."""

    def ask(self, requests: Iterable[Request]) -> Iterator[Answer]:
        for request in requests:
            digest = hashlib.sha256(str(request.seed).encode()).digest()
            passages = {
                f"relevance_{level}": " ".join(WORDS[byte % len(WORDS)] for byte in digest[level * 8 : level * 8 + 8])
                for level in range(4)
            }
            by = Provenance("?", model="levels", revision="1", seed=request.seed)
            yield Answer(request, json.dumps(passages), passages, None, 50, 90, by, cached=False)


def test_passages_of_four_levels_are_asked_for_until_the_two_lower_ones_are_enough(folder):
    facts, candidates, _ = make(folder, Levels(), method="llm-graded", prompt=find_prompt("graded"))
    assert (facts["asked"], facts["candidates"], facts["short"]) == (6, 24, 0)
    assert candidates.filter(pl.col("label") == 1)["score"].to_list() == [3.0] * 3
    first = candidates.filter(pl.col("query_id") == "q0")
    assert first["score"].to_list() == [3.0, *[3.0, 2.0, 1.0, 0.0] * 2]
    assert first["rank"].to_list() == [None, *range(1, 9)]
    assert candidates.filter(pl.col("label") == 0)["provenance"].struct.field("method").unique().to_list() == [
        "llm-graded"
    ]


@pytest.mark.parametrize("with_positive", [False, True])
def test_one_ask_a_negative_when_all_goes_well(folder: Path, *, with_positive: bool) -> None:
    model = Rules()
    facts, candidates, ledger = make(folder, model, with_positive=with_positive)
    assert (facts["asked"], facts["candidates"], facts["short"], facts["prompt_tokens"]) == (9, 9, 0, 450)
    assert ledger.is_empty()
    assert candidates["query_id"].to_list() == ["q0"] * 4 + ["q1"] * 4 + ["q2"] * 4
    assert candidates["label"].to_list() == [1, 0, 0, 0] * 3
    assert candidates["rank"].to_list() == [None, 1, 2, 3] * 3
    assert candidates.filter(pl.col("label") == 1)["document_id"].to_list() == ["d0", "d1", "d2"]
    written = candidates.filter(pl.col("label") == 0)
    assert written["document_id"].null_count() == 9
    assert written["text"].n_unique() == 9
    provenance = written["provenance"][0]
    assert (provenance["method"], provenance["model"], provenance["corpus_revision"]) == (
        facts["method"],
        "rules",
        "r1",
    )
    asked = "\n".join(message.content for message in model.requests[0].messages)
    assert "does zinc make 0 children grow" in asked
    assert (POSITIVE.replace("year", "year 0") in asked) == with_positive


def test_what_is_missing_is_asked_for_again(folder: Path) -> None:
    say = {0: None, 1: POSITIVE, 2: "", 3: "does zinc make children grow"}
    facts, candidates, ledger = make(folder, Rules(say))
    # Round 1 brings nothing, round 2 two (asks 4 and 5), round 3 the last.
    assert facts["asked"] == 3 * (3 + 3 + 1)
    assert facts["short"] == 0
    assert facts["dropped"] == {"empty": 3, "model_failure": 3}
    assert dict(Counter(ledger["reason"])) == facts["dropped"]
    # Copies of positive and query are candidates: the guard judges them.
    assert candidates.filter(pl.col("query_id") == "q0")["text"].to_list()[1:3] == [POSITIVE, say[3]]


def test_asking_has_an_end(folder: Path) -> None:
    model = Rules(dict.fromkeys(range(100)))
    facts, candidates, ledger = make(folder, model)
    assert facts["asked"] == len(ledger) == 3 * 3 * MAX_ROUNDS
    assert facts["short"] == 3
    assert candidates["label"].to_list() == [1, 1, 1]
    assert set(ledger["detail"]) == {"timed out"}


def test_examples_of_the_prompt_are_no_candidates(folder: Path) -> None:
    prompt = find_prompt("negative")
    example = json.loads(next(turn.content for turn in prompt.turns if turn.role == "assistant"))["negative"]
    facts, candidates, _ = make(folder, Rules({0: example}))
    assert facts["dropped"] == {"prompt_example": 3}
    assert example not in candidates["text"].to_list()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("The method that is passed to " + "the method that is passed to " * 8, "repetitive"),
        ("As an AI language model, I have no view of this.", "refusal"),
        ("Here is a passage on zinc: it is mined in Peru.", "about_task"),
        ("Zinc is mined in Peru.<|im_end|>", "template"),
        (" ".join(f"{n * 7919} tons" for n in range(90))[:600], "cut_off"),
    ],
)
def test_what_is_no_text_is_asked_for_again(folder: Path, said: str, reason: str) -> None:
    facts, candidates, ledger = make(folder, Rules({0: said}))
    assert facts["dropped"] == {reason: 3}
    assert facts["short"] == 0
    assert said not in candidates["text"].to_list()
    assert ledger["detail"].to_list() == [said.strip()] * 3


def test_an_answer_may_bring_several(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "several.toml"
    schema = '{"type":"object","properties":{"negatives":{"type":"array","items":{"type":"string"}}}}'
    path.write_text(
        f'task = "negative"\nmax_tokens = 99\nschema = \'{schema}\'\n[[messages]]\nrole = "user"\ncontent = "{{{{query}}}}"\n'
    )

    class Several(Rules):
        def ask(self, requests: Iterable[Request]) -> Iterator[Answer]:
            for answer in super().ask(requests):
                words = str(answer.value["negative"]).split()
                value = {"negatives": [" ".join(words[i : i + 12]) for i in (0, 10, 20)]}
                yield Answer(answer.request, json.dumps(value), value, None, 5, 5, answer.provenance, cached=False)

    facts, candidates, _ = make(folder, Several(), prompt=find_prompt("negative", path=path))
    assert facts["asked"] == 3
    assert facts["candidates"] == candidates.filter(pl.col("label") == 0).height == 9


def test_seeds_are_the_querys_own(folder: Path) -> None:
    first, again = Rules(), Rules()
    make(folder, first, name="a")
    queries = pl.read_parquet(folder / "queries.parquet")
    queries.reverse().write_parquet(folder / "queries.parquet")
    make(folder, again, name="b")

    def seeds(model: Rules) -> dict[str, int]:
        return {request.id: request.seed for request in model.requests}

    assert seeds(first) == seeds(again)
    assert len(set(seeds(first).values())) == 9
    assert all(0 <= seed < 2**31 for seed in seeds(first).values())


def test_same_answers_same_bytes(folder: Path) -> None:
    for name in ("a", "b"):
        make(folder, Rules({0: None}), name=name)
    for file in ("candidates.parquet", "ledger.parquet"):
        assert (folder / "a" / file).read_bytes() == (folder / "b" / file).read_bytes()


def test_a_positive_that_is_no_document_is_refused(folder: Path) -> None:
    documents: Sequence[tuple[str, str, str]] = [("d0", "", "x")]
    pl.DataFrame(documents, schema=DOCUMENTS, orient="row").write_parquet(folder / "documents.parquet")
    with pytest.raises(InputError, match=r"no document 'd1' .*'q1'"):
        make(folder, Rules())
