import itertools
import shutil

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnhub import schema
from hnhub.errors import UsageError
from hnhub.negatives import hybrid
from small_miners import PASSAGES, QUERIES, mining, write_inputs, write_ranking

rankings = st.dictionaries(
    st.sampled_from(list(QUERIES)), st.lists(st.sampled_from(list(PASSAGES)), unique=True, min_size=1)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hybrid")
    write_inputs(path)
    return path


def fuse(folder, sources, depth=3):
    paths = {name: write_ranking(folder / f"{name}.parquet", ranking) for name, ranking in sources.items()}
    out = folder / "out"
    out.mkdir(exist_ok=True)
    shutil.rmtree(folder / "work", ignore_errors=True)  # its parts are of other sources
    facts = hybrid.make_candidates(out, folder / "work", mining(folder, "hybrid", sources=paths, depth=depth))
    return facts, pl.read_parquet(out / "candidates.parquet")


@settings(deadline=None, max_examples=40)
@given(rankings, rankings, rankings, st.integers(1, 7))
def test_scores_are_sums_of_reciprocal_ranks(folder, first, second, third, depth):
    facts, rows = fuse(folder, {"a": first, "b": second, "c": third}, depth)
    assert rows.schema == schema.CANDIDATES
    assert facts["rows"] == len(rows)
    for query, (_, positives) in QUERIES.items():
        lists = [source.get(query, []) for source in (first, second, third)]
        expected = {
            document: sum(1 / (61 + ranks.index(document)) for ranks in lists if document in ranks)
            for document in {*itertools.chain(*lists), positives[0]}
        }
        group = rows.filter(pl.col("query_id") == query)
        ranked = group.drop_nulls("rank")
        assert ranked["rank"].to_list() == list(range(1, len(ranked) + 1))
        assert len(ranked) == min(depth, len({*itertools.chain(*lists)}))
        for document, score in group.select("document_id", "score").iter_rows():
            assert score == pytest.approx(expected[document], abs=1e-15)
        assert ranked["score"].is_sorted(descending=True)
        positive = group.filter(pl.col("label") == 1)
        assert positive["document_id"].to_list() == positives[:1]
        assert (positive["rank"][0] is not None) == (positives[0] in ranked["document_id"].to_list())


def test_ties_go_to_the_better_rank_then_to_the_earlier_source(folder):
    one, other = {"q1": ["rain", "moon"]}, {"q1": ["moon", "rain"]}
    _, rows = fuse(folder, {"a": one, "b": other})
    assert rows["document_id"].to_list()[:2] == ["rain", "moon"]
    _, rows = fuse(folder, {"a": other, "b": one})
    assert rows["document_id"].to_list()[:2] == ["moon", "rain"]
    _, rows = fuse(folder, {"a": {"q1": ["steel"]}, "b": {"q1": ["bread"]}})
    assert rows["document_id"].to_list()[:2] == ["steel", "bread"]


def test_one_source_is_no_fusion(folder):
    with pytest.raises(UsageError, match="at least two"):
        fuse(folder, {"a": {"q1": ["rain"]}})


def test_generated_texts_are_left_out(folder, tmp_path):
    path = write_ranking(folder / "llm.parquet", {"q1": ["rain", "moon"]})
    pl.read_parquet(path).with_columns(document_id=pl.lit(None, pl.String)).write_parquet(folder / "llm2.parquet")
    out = folder / "out"
    hybrid.make_candidates(
        out, tmp_path, mining(folder, "hybrid", sources={"a": path, "b": folder / "llm2.parquet"}, depth=3)
    )
    assert pl.read_parquet(out / "candidates.parquet")["document_id"].null_count() == 0
