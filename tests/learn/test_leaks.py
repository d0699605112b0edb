import pytest

from hnhub.errors import InputError
from hnhub.learn.leaks import check_leaks, find_leaks
from hnhub.learn.training_data import load_training_data
from hnhub.records import contents


def passage(things, query_id):
    import polars as pl

    wanted = next(iter(things.qrels[query_id]))
    _, title, text = pl.read_parquet(things.documents).row(by_predicate=pl.col("document_id") == wanted)
    return contents(title, text)


def test_equal_and_nearly_equal_texts_are_found(things):
    query, other = things.texts[2], things.query_ids[5]
    leaks = find_leaks(
        ["what else", query.upper() + "?", query.replace("rain", "rains")],
        ["a passage of another corpus", passage(things, other) + " ", passage(things, other)],
        things,
    )
    assert leaks.queries == ((1, things.query_ids[2]), (2, things.query_ids[2]))
    assert leaks.positives == (1, 2)
    assert leaks.contaminated == {other}


def test_training_on_test_queries_is_refused_or_they_are_left_out(things, make_dataset):
    names = [query_id.removeprefix("q-").replace("_", " ") for query_id in things.query_ids]
    data = load_training_data(str(make_dataset(things=["red kettle", *names[:3]])), "bm25", held_out_share=0)
    with pytest.raises(InputError, match=r"things: 3 of 4 training queries are test queries of things, e.g. row 1"):
        check_leaks(data, [things])
    checked = check_leaks(data, [things], on_leak="drop")
    assert checked.data.rows["query"].to_list() == ["does rain fade the red kettle"]
    assert checked.facts["leaks"][0]["queries"] == 3
    assert checked.contaminated["things"] == set(things.query_ids[:3])


def test_decontamination_leaves_out_rows_whose_passage_is_relevant_to_a_test_query(things, make_dataset):
    name = things.query_ids[0].removeprefix("q-").replace("_", " ")
    data = load_training_data(str(make_dataset(things=["red kettle", name])), "bm25", held_out_share=0)
    data.rows[1, "query"] = "something else entirely"
    assert check_leaks(data, [things]).contaminated["things"] == {things.query_ids[0]}
    checked = check_leaks(data, [things], decontaminate=True)
    assert checked.data.rows.height == 1
    assert checked.contaminated["things"] == frozenset()
    with pytest.raises(InputError, match="every training row is test material"):
        check_leaks(
            load_training_data(str(make_dataset(things=[name], name="b")), "bm25", held_out_share=0),
            [things],
            on_leak="drop",
        )


def test_the_small_corpus_does_not_leak(things, make_dataset):
    assert not check_leaks(load_training_data(str(make_dataset()), "bm25"), [things]).contaminated["things"]
