"""Which rows a training sees, and what it knows of them."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub import schema
from hnhub.errors import InputError
from hnhub.learn.options import TrainSettings
from hnhub.learn.passes import epochs_for, rows_of_passes
from hnhub.learn.row_ids import number_rows
from hnhub.learn.scored_rows import scored_rows
from hnhub.score.strata import spread_order

ROWS = pl.DataFrame(
    [(f"q{q}", f"p{q}{p}", f"n{q}a", f"n{q}b") for q in range(3) for p in range(q + 1)],
    schema=["query", "positive", "negative_1", "negative_2"],
    orient="row",
)


@given(st.integers(1, 200), st.integers(0, 2**60))
def test_every_beginning_of_the_order_is_spread_over_the_ranks(count, key):
    order = spread_order(count, key)
    assert sorted(order) == list(range(count))
    for n in (2, 4, 8):
        if count >= 4 * n:
            assert {at * n // count for at in order[: 2 * n]} == set(range(n))


def test_all_positives_are_rows_and_negatives_are_limited():
    settings = TrainSettings(temperature=0.1, epochs=2.5)
    found, epochs = rows_of_passes(ROWS, settings)
    assert found.equals(ROWS)
    assert epochs == 2.5
    found, _ = rows_of_passes(ROWS, TrainSettings(temperature=0.1, negatives=1))
    assert found.columns == ["query", "positive", "negative_1"]
    assert rows_of_passes(ROWS, TrainSettings(temperature=0.1, negatives=0))[0].columns == ["query", "positive"]


def test_one_positive_a_pass_comes_again_only_after_all_others():
    settings = TrainSettings(temperature=0.1, epochs=2.5, positives="one", seed=4)
    found, epochs = rows_of_passes(ROWS, settings)
    assert found["query"].to_list() == ["q0", "q1", "q2"] * 3
    assert epochs == pytest.approx(2.5 / 3)
    assert found.filter(query="q2")["positive"].n_unique() == 3
    assert found.filter(query="q1")["positive"].n_unique() == 2
    assert rows_of_passes(ROWS, settings)[0].equals(found)


def test_lsepair_has_several_positives_a_row_and_repeats_where_there_are_fewer():
    found, _ = rows_of_passes(ROWS, TrainSettings(temperature=0.1, loss="lsepair"))
    columns = [f"positive{tail}" for tail in ("", "_2", "_3", "_4")]
    assert found.columns == ["query", *columns, "negative_1", "negative_2"]
    sets = [set(row) for row in found.select(columns).iter_rows()]
    assert sets == [{"p00"}, {"p10", "p11"}, {"p20", "p21", "p22"}]


def test_missing_negatives_become_the_positive():
    rows = ROWS.with_columns(pl.lit(None, pl.String).alias("negative_2"))
    found, _ = rows_of_passes(rows, TrainSettings(temperature=0.1))
    assert found["negative_2"].to_list() == found["positive"].to_list()


def test_equal_and_near_texts_have_one_number():
    rows = pl.DataFrame(
        {
            "query": ["What boils?", "what  boils", "who sings"],
            "positive": ["a kettle boils water", "boilers, too", "the violin sings at night in the orchard"],
            "negative_1": ["The violin sings at night in the orchards", "A KETTLE boils water.", "nothing"],
        }
    )
    ids = number_rows(rows)
    assert ids.queries.tolist() == [0, 0, 1]
    assert ids.passages[0, 0] == ids.passages[1, 1]
    assert ids.passages[0, 1] == ids.passages[2, 0]
    assert number_rows(rows, near=False).passages[0, 1] != number_rows(rows, near=False).passages[2, 0]
    known = {divmod(code, ids.passage_count) for code in ids.answers.tolist()}
    assert known == {(0, ids.passages[0, 0]), (0, ids.passages[1, 0]), (1, ids.passages[2, 0])}
    assert len(ids.passage_texts) == ids.passage_count


def scored(rows):
    names = ("query_id", "query", "document_id", "text", "label", "score", "verdict", "position")
    return pl.DataFrame(
        [{**dict.fromkeys(schema.SCORED.names()), **dict(zip(names, row, strict=True))} for row in rows],
        schema=schema.SCORED,
    )


def test_distilled_passages_are_spread_over_the_scores_and_positives_find_theirs():
    rows = [
        ("q", "ask", "p1", "first", 1, 50.0, "keep", None),
        ("q", "ask", "p2", "second", 1, None, "keep", None),  # the scorer saw it as a candidate
        ("q", "ask", "p2", "second", 0, 30.0, "drop", None),
        *(("q", "ask", f"d{at}", f"text {at}", 0, 40.0 - at, "keep", at if at < 3 else None) for at in range(1, 33)),
    ]
    found, without = scored_rows(scored(rows), 8, seed=1)
    assert without == 0
    assert found["positive"].to_list() == ["first", "second"]
    for at, own in ((0, 50.0), (1, 30.0)):
        label = found["label"][at].to_list()
        assert label[0] == own
        assert label[1:] == sorted(label[1:], reverse=True)
        assert {int(40 - score - 1) // 8 for score in label[1:]} == {0, 1, 2, 3}
        texts = found.row(at)[2:-1]
        assert [f"text {40 - score:.0f}" for score in label[1:]] == list(texts)
    assert found.row(0)[2:-1] != found.row(1)[2:-1]  # each row has its own draw
    chosen, _ = scored_rows(scored(rows), None, seed=1)
    assert chosen.select("negative_1", "negative_2").row(0) == ("text 1", "text 2")
    few, _ = scored_rows(scored(rows[:5]), 4, seed=1)
    assert few.row(0)[2:] == ("text 1", "text 2", None, None, [50.0, 39.0, 38.0, None, None])


def test_no_candidate_is_drawn_that_the_window_or_the_judge_passed_over():
    rows = [("q", "ask", f"d{at}", f"text {at}", 0, 40.0 - at, "keep", None) for at in range(1, 9)]
    frame = scored([("q", "ask", "p1", "first", 1, 50.0, "keep", None), *rows])
    passed = {"text 1": "outside_window", "text 2": "not_judged"}
    frame = frame.with_columns(pl.col("text").replace_strict(passed, default=None).alias("reason"))
    found, _ = scored_rows(frame, 8, seed=1)
    assert found.row(0)[2:-1] == (*(f"text {at}" for at in range(3, 9)), None, None)


def test_nothing_scored_is_refused():
    rows = [("q", "ask", None, "written", 0, None, "keep", 1), ("q", "ask", "p", "first", 1, None, "keep", None)]
    with pytest.raises(InputError, match="no scores to learn from"):
        scored_rows(scored(rows), None, seed=0)


def test_ids_are_whole_numbers():
    assert number_rows(ROWS).passages.dtype == np.int64


def test_a_small_dataset_is_seen_often_and_a_large_one_once():
    settings = TrainSettings(temperature=0.1, batch=8)
    assert epochs_for(ROWS, settings, 1) == 20
    many = pl.concat([ROWS.with_columns(pl.lit(f"{n}").alias("query")) for n in range(80)])
    assert epochs_for(many, settings, 1) == 2
    assert epochs_for(many, settings, 4) == 8
    assert epochs_for(many, TrainSettings(temperature=0.1, batch=8, positives="one"), 1) == 12
    assert epochs_for(many, TrainSettings(temperature=0.1, epochs=0.5), 1) == 0.5
