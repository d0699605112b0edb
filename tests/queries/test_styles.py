"""Styles in exact numbers, several queries a passage, two passages a query, a judge, several generators."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub import schema
from hnhub.errors import UsageError
from hnhub.llm.prompts import find_prompt
from hnhub.llm.types import Answer, Request
from hnhub.queries.distinct import alike_reasons, content_words
from hnhub.queries.make import make_queries
from hnhub.queries.styles import quotas, spread
from hnhub.records import Provenance, Recipe
from hnhub.text.similarity import near_pairs
from llm_servers.writer import Writer

THINGS = [
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
]
FACTS = ["copper", "rust", "frost", "smoke", "amber", "chalk", "slate", "pollen", "resin", "timber", "gravel", "velvet"]


def passage(i: int, n: int) -> str:
    thing, fact = THINGS[i], FACTS[(3 * n + i) % 12]
    return f"The {thing} of {FACTS[i]}land holds {fact} and {FACTS[n]}. Its {thing}keeper measured {fact}ness {i * 7 + n} times."


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """12 files of 4 passages."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = [(f"{thing}.md#{n}", "", passage(i, n)) for i, thing in enumerate(THINGS) for n in range(4)]
    pl.DataFrame(rows, schema=schema.DOCUMENTS, orient="row").write_parquet(folder / "documents.parquet")
    pl.DataFrame(schema=schema.QUERIES).write_parquet(folder / "queries.parquet")
    pl.DataFrame(schema=schema.QRELS).write_parquet(folder / "qrels.parquet")
    return folder


class Model:
    """`Writer` as a language model."""

    def __init__(self, name: str = "writer", grades: Any = None) -> None:
        self.name, self.grades, self.asked = name, grades, list[Request]()
        self.write = Writer(passage(i, n) for i in range(12) for n in range(4))

    def ask(self, requests: Iterable[Request]) -> Iterator[Answer]:
        for request in requests:
            self.asked.append(request)
            text = self.write(request.messages[-1].content, request.seed)
            if request.method == "query-judge" and self.grades is not None:
                text = self.grades(request)
            value = json.loads(text) if text else None
            provenance = Provenance(request.method, model=self.name, seed=request.seed)
            yield Answer(request, text, value, None if text else "no answer", 10, 5, provenance, cached=False)


def write(corpus: Path, out: Path, *models: Model, **changes: Any) -> tuple[Any, pl.DataFrame, pl.DataFrame]:
    out.mkdir()
    recipe = Recipe("made", **{"queries": 20, "round_trip": None, **changes})
    tasks = [f"query.{style}" for style, _ in recipe.query_styles] or ["query"]
    prompts = {task: find_prompt("query", task.partition(".")[2] or None) for task in tasks}
    prompts["query-judge"] = find_prompt("query-judge")
    facts = make_queries(
        out, corpus=corpus, recipe=recipe, models=models, prompts=prompts, search=None, corpus_revision="r"
    )
    return facts, pl.read_parquet(out / "queries.parquet"), pl.read_parquet(out / "ledger.parquet")


def styles(queries: pl.DataFrame) -> dict[str, int]:
    return Counter(one["style"] for one in queries["provenance"])


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=7), st.integers(0, 300))
def test_quotas_are_whole_and_next_to_the_shares(shares: list[float], wanted: int) -> None:
    found = quotas([(f"s{i}", share) for i, share in enumerate(shares)], wanted)
    assert sum(found.values()) == wanted
    for count, share in zip(found.values(), shares, strict=True):
        assert abs(count - wanted * share / sum(shares)) < 1
    line = spread(found)
    assert Counter(line) == +Counter(found)


def test_neighbours_in_line_differ_where_they_can() -> None:
    assert spread({"a": 2, "b": 1, "c": 0}) == ["a", "b", "a"]
    assert spread({"a": 2, "b": 2}) == ["a", "b", "a", "b"]


def test_numbers_of_styles_are_kept_exactly_and_again(corpus: Path, tmp_path: Path) -> None:
    asked = (("question", 0.4), ("keyword", 0.3), ("claim", 0.3))
    facts, queries, ledger = write(corpus, tmp_path / "one", Model(), query_styles=asked)
    assert styles(queries) == {"question": 8, "keyword": 6, "claim": 6} == facts["styles"]
    assert facts["counts"] == {"train": 20}
    _, again, _ = write(corpus, tmp_path / "two", Model(), query_styles=asked)
    assert queries.equals(again)
    assert facts["asked"] == len(queries) + len(ledger)


def test_several_queries_of_a_passage_are_unlike_each_other(corpus: Path, tmp_path: Path) -> None:
    facts, queries, ledger = write(
        corpus, tmp_path / "out", Model(), queries=60, per_passage=4, query_styles=(("question", 1), ("keyword", 1))
    )
    by_passage = queries.group_by(pl.col("positive_ids").list.first()).len()
    assert by_passage["len"].max() > 1
    assert queries["query_id"].is_unique().all()
    assert not near_pairs(queries["query"].to_list())
    for _, own in queries.group_by(pl.col("positive_ids").list.first()):
        words = [content_words(query, "en") for query in own["query"]]
        assert alike_reasons([str(i) for i in range(len(words))], words, [frozenset("p")] * len(words)) == [None] * len(
            words
        )
    assert "not_distinct" in set(ledger["reason"])
    assert facts["dropped"]["not_distinct"] == ledger.filter(pl.col("reason") == "not_distinct").height


def test_other_order_and_small_words_are_the_same_query() -> None:
    queries = [
        "effects of frost on violins",
        "What effect does frost have on a violin?",
        "frost and the kettle",
        "frost and violin",
    ]
    words = [content_words(query, "en") for query in queries]
    found = alike_reasons(["a", "b", "c", "d"], words, [frozenset({str(i)}) for i in range(4)])
    assert found == [None, ("same_words", "a"), None, None]
    own = alike_reasons(["a", "d"], [words[0], words[3]], [frozenset("p"), frozenset("p")])
    assert own == [None, ("not_distinct", "a")]


def test_multi_hop_is_asked_from_two_passages_of_a_document(corpus: Path, tmp_path: Path) -> None:
    model = Model()
    _, queries, _ = write(corpus, tmp_path / "out", model, queries=10, query_styles=(("multi-hop", 1), ("question", 1)))
    assert styles(queries) == {"multi-hop": 5, "question": 5}
    for ids, provenance in queries.select("positive_ids", "provenance").iter_rows():
        assert len(ids) == len(set(ids)) == (2 if provenance["style"] == "multi-hop" else 1)
        assert len({one.rpartition("#")[0] for one in ids}) == 1


def test_multi_hop_without_documents_of_two_passages_is_refused(corpus: Path, tmp_path: Path) -> None:
    documents = pl.read_parquet(corpus / "documents.parquet")
    documents.filter(pl.col("document_id").str.ends_with("#1")).write_parquet(corpus / "documents.parquet")
    with pytest.raises(UsageError, match="two passages"):
        write(corpus, tmp_path / "out", Model(), query_styles=(("multi-hop", 1.0),))


@pytest.mark.parametrize(
    ("grades", "reason"),
    [
        ({"answerable": 6, "alone": 10}, "not_answerable"),
        ({"answerable": 9, "alone": 2}, "not_alone"),
        ({"answerable": 70, "alone": 70}, "query_judge_failed"),
        (None, "query_judge_failed"),
    ],
)
def test_the_judge_drops_with_a_reason(corpus: Path, tmp_path: Path, grades: Any, reason: str) -> None:
    def judge(request: Request) -> str | None:
        if "kettle" not in request.messages[-1].content:
            return json.dumps({"answerable": 7, "alone": 7})
        return json.dumps(grades) if grades else None

    _, queries, ledger = write(corpus, tmp_path / "out", Model(grades=judge), queries=30, query_judge=7)
    assert queries.height == 30
    assert set(ledger.filter(pl.col("query_id").str.contains("kettle"))["reason"]) == {reason}
    assert not queries["query_id"].str.contains("kettle").any()


def test_who_writes_a_query_is_drawn_by_the_seed(corpus: Path, tmp_path: Path) -> None:
    one, other = Model("one"), Model("other")
    _, queries, _ = write(corpus, tmp_path / "out", one, other, query_judge=7)
    assert set(Counter(row["model"] for row in queries["provenance"])) == {"one", "other"}
    assert {request.method for request in other.asked} == {"queries"}
    _, again, _ = write(corpus, tmp_path / "again", Model("one"), Model("other"), query_judge=7)
    assert queries.equals(again)


def test_splits_follow_the_parts_of_the_corpus(corpus: Path, tmp_path: Path) -> None:
    ids = pl.read_parquet(corpus / "documents.parquet")["document_id"]
    split = ["dev" if "kettle" in one else None if "river" in one else "train" for one in ids]
    pl.DataFrame({"document_id": ids, "split": split}).write_parquet(corpus / "parts.parquet")
    facts, queries, _ = write(corpus, tmp_path / "out", Model())
    assert facts["counts"] == {"train": 20, "dev": 2}
    assert set(queries.filter(pl.col("query_id").str.contains("kettle"))["split"]) == {"dev"}
    assert not queries["query_id"].str.contains("river").any()
