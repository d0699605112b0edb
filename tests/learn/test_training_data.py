import polars as pl
import pytest

from hnhub.errors import InputError, UsageError
from hnhub.learn.training_data import load_training_data, without_rows


def test_rows_come_as_they_are_published(make_dataset):
    folder = make_dataset()
    data = load_training_data(str(folder), "bm25", held_out_share=0)
    assert data.rows.equals(pl.read_parquet(folder / "data/bm25/train-00000-of-00001.parquet"))
    assert (data.name, data.corpus, data.config, data.dropped) == ("things", "things", "bm25", 0)
    assert data.revision.startswith("files-")
    assert data.held_out.is_empty()


def test_held_out_queries_are_drawn_by_the_seed_and_never_trained_on(make_dataset):
    folder = str(make_dataset())
    data = load_training_data(folder, "bm25", held_out_share=0.25, seed=1)
    assert data.held_out.height == 11
    assert not set(data.held_out["query"]) & set(data.rows["query"])
    assert load_training_data(folder, "bm25", held_out_share=0.25, seed=1).identity() == data.identity()
    assert load_training_data(folder, "bm25", held_out_share=0.25, seed=2).identity() != data.identity()
    few = load_training_data(folder, "bm25", held_out_share=0.25, seed=1, limit=5)
    assert few.rows.height == 5
    assert set(few.rows["query"]) <= set(data.rows["query"])
    assert few.held_out.equals(data.held_out)


def test_the_datasets_own_dev_split_is_held_out(make_dataset):
    folder = make_dataset()
    train = folder / "data/bm25/train-00000-of-00001.parquet"
    pl.read_parquet(train).head(3).write_parquet(train.with_name("dev-00000-of-00001.parquet"))
    readme = folder / "README.md"
    readme.write_text(readme.read_text().replace("    path: data/bm25/train-*.parquet", "    path: data/bm25/train-*.parquet\n  - split: dev\n    path: data/bm25/dev-*.parquet"))  # fmt: skip
    data = load_training_data(str(folder), "bm25")
    assert (data.rows.height, data.held_out.height) == (44, 3)


def test_distillation_takes_scores_in_the_columns_order(make_dataset):
    folder = make_dataset()
    data = load_training_data(str(folder), "bm25", distil=True, held_out_share=0)
    assert data.rows.drop("label").equals(load_training_data(str(folder), "bm25", held_out_share=0).rows)
    assert data.rows["label"].to_list() == [[9.0, 4.0, 1.0]] * 44


def test_another_scorer_of_the_build_teaches(write_dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    rows = [(f"query {at}", f"positive {at}", f"near {at}", f"far {at}") for at in range(2)]
    scored = [
        (f"q{at}", query, f"d{column}", text, int(column == 0), column, 1.0, 2.0, None, None if (at, column) == (1, 0) else 9.0 - column,
         "keep", None, column or None, None)
        for at, (query, *texts) in enumerate(rows)
        for column, text in enumerate(texts)
    ]  # fmt: skip
    folder = write_dataset(tmp_path / "dataset", rows, scored)
    data = load_training_data(str(folder), "bm25", distil=True, teacher="ce_score", held_out_share=0)
    assert data.rows["label"].to_list() == [[9.0, 8.0, 7.0], [None, 8.0, 7.0]]
    own = load_training_data(str(folder), "bm25", distil=True, held_out_share=0)
    assert own.rows["label"].to_list() == [[1.0] * 3] * 2
    with pytest.raises(InputError, match="no scores to learn from"):
        load_training_data(str(folder), "bm25", distil=True, teacher="dense_score", held_out_share=0)


def test_passages_of_every_level_are_learnt_from(make_dataset):
    folder = make_dataset()
    path = folder / "data/bm25-scored/train-00000-of-00001.parquet"
    scored = pl.read_parquet(path)
    relevant = pl.col("position") == 1
    scored.with_columns(
        pl.when(pl.col("label") == 1).then(None).otherwise(pl.when(relevant).then(2.0).otherwise(0.0)).alias("score"),
        pl.when(relevant).then(pl.lit("drop")).otherwise("verdict").alias("verdict"),
        pl.when(relevant).then(pl.lit("written_relevant")).otherwise("reason").alias("reason"),
        pl.when(relevant).then(None).otherwise("position").cast(pl.Int32).alias("position"),
    ).write_parquet(path)
    data = load_training_data(str(folder), "bm25", distil=True, held_out_share=0)
    assert data.rows["label"].to_list() == [[3.0, 2.0, 0.0]] * 44


def test_incomplete_rows_are_counted_and_left_out(make_dataset):
    folder = make_dataset()
    short = pl.read_parquet(folder / "data/bm25/train-00000-of-00001.parquet")
    short[4, "negative_2"] = None
    short.write_parquet(folder / "data/bm25/train-00000-of-00001.parquet")
    data = load_training_data(str(folder), "bm25", held_out_share=0)
    assert (data.rows.height, data.dropped) == (43, 1)


def test_a_row_without_some_scores_is_distilled_from_the_others(make_dataset):
    folder = make_dataset()
    scored = pl.read_parquet(folder / "data/bm25-scored/train-00000-of-00001.parquet")
    scored[1, "score"] = None  # a negative of the first query
    scored[3, "score"] = None  # the positive of the second
    scored = scored.with_columns(pl.when(pl.col("query_id") == "q2").then(None).otherwise("score").alias("score"))
    scored.write_parquet(folder / "data/bm25-scored/train-00000-of-00001.parquet")
    data = load_training_data(str(folder), "bm25", distil=True, held_out_share=0)
    assert (data.rows.height, data.dropped) == (43, 1)
    assert data.rows["label"].to_list()[:2] == [[9.0, 1.0, None], [None, 4.0, 1.0]]
    assert data.rows["negative_2"][0] is None


def test_what_can_not_be_trained_on_is_refused(make_dataset, tmp_path):
    folder = make_dataset()
    with pytest.raises(InputError, match="config 'llm' can't be loaded"):
        load_training_data(str(folder), "llm")
    with pytest.raises(InputError, match="no column 'positive'"):
        load_training_data(str(folder), "bm25-scored")
    with pytest.raises(InputError, match=r"^no such folder: .*nowhere; "):
        load_training_data(str(tmp_path / "nowhere"), "bm25")
    readme = folder / "README.md"
    readme.write_text(readme.read_text().replace("split: train", "split: test"))
    with pytest.raises(InputError, match="no train split"):
        load_training_data(str(folder), "bm25")


def test_another_programs_manifest_names_no_corpus_and_a_broken_one_is_told(make_dataset):
    folder = make_dataset()
    (folder / "manifest.json").write_text("[]")
    assert load_training_data(str(folder), "bm25").corpus is None
    (folder / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest\.json: can't be read as JSON"):
        load_training_data(str(folder), "bm25")


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": -2}, {"held_out_share": 1.0}, {"held_out_share": -0.1}])
def test_a_limit_or_a_share_that_leaves_nothing_is_refused(make_dataset, wrong):
    with pytest.raises(UsageError, match="leave nothing"):
        load_training_data(str(make_dataset()), "bm25", **wrong)


def test_rows_are_left_out_by_position():
    assert without_rows(pl.DataFrame({"a": [1, 2, 3]}), [1])["a"].to_list() == [1, 3]


def test_two_folders_of_one_name_with_one_card_are_not_mistaken_for_each_other(make_dataset):
    first, second = make_dataset(name="a/dataset"), make_dataset(things=["red kettle", "old river"], name="b/dataset")
    assert (first / "README.md").read_text() == (second / "README.md").read_text()
    assert [load_training_data(str(f), "bm25", held_out_share=0).rows.height for f in (first, second)] == [44, 2]


@pytest.mark.parametrize("library", ["httpx", "httpx2", "httpcore2", "requests"])
def test_every_version_of_the_clients_library_may_fail(library):
    from hnhub.learn.training_data import _is_outage

    error = type("ConnectError", (Exception,), {"__module__": f"{library}._exceptions"})
    outer = ValueError("can't load")
    outer.__cause__ = error("refused")
    assert _is_outage(outer)
    assert not _is_outage(ValueError("no such config"))


def test_the_hash_of_rows_does_not_go_by_pythons_repr():
    import polars as pl

    from hnhub.learn.training_data import _hash

    rows = pl.DataFrame({"query": ["\U0001fae8 \u0300", "a"], "label": [[1.5, 2.0], None]})
    assert _hash(rows) == _hash(rows.clone())
    assert _hash(rows) != _hash(rows.reverse())
