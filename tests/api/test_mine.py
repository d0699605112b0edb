"""Negatives for pairs: every form of them, what is kept out, what is kept beside, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import polars as pl
import pytest

import hnhub
from hnhub.errors import InputError, ServiceError, UsageError

PAIRS = [
    (f"which kettle boils {n} litres", f"Kettle {n} boils {n} litres of water in {n + 3} minutes.") for n in range(24)
]
ROWS = [{"anchor": query, "answer": positive, "line": n} for n, (query, positive) in enumerate(PAIRS)]


def written(folder: Path, kind: str) -> Path:
    path = folder / f"pairs.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif kind == "parquet":
        pl.DataFrame(ROWS).write_parquet(path)
    else:
        pl.DataFrame(ROWS).write_csv(path, separator="\t" if kind == "tsv" else ",")
    return path


FORMS: dict[str, Callable[[Path], Any]] = {
    "tuples": lambda _: PAIRS,
    "dicts": lambda _: ROWS,
    "polars": lambda _: pl.DataFrame(ROWS),
    "pandas": lambda _: pd.DataFrame(ROWS),
    "Dataset": lambda _: datasets.Dataset.from_list(ROWS),
    "IterableDataset": lambda _: datasets.Dataset.from_list(ROWS).to_iterable_dataset(),
    "jsonl": lambda folder: written(folder, "jsonl"),
    "csv": lambda folder: str(written(folder, "csv")),
    "tsv": lambda folder: written(folder, "tsv"),
    "parquet": lambda folder: written(folder, "parquet"),
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HNHUB_HOME", str(tmp_path_factory.mktemp("home")))
        return list(hnhub.mine(PAIRS, negatives=3).dataset)


# Before 5.2 `datasets` leaves a CSV file to the collector.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(form: str, tmp_path: Path, expected: list[dict[str, Any]]) -> None:
    mined = hnhub.mine(FORMS[form](tmp_path), negatives=3)
    assert list(mined.dataset) == expected
    assert mined.pairs == mined.rows["bm25"] == len(expected) == 24
    assert mined.run.validate() == []
    if form != "tuples":
        assert mined.datasets["bm25"]["line"] == list(range(24))


def test_no_positive_of_a_query_is_a_negative_of_it() -> None:
    several = [
        {"query": "boiling water", "pos": [PAIRS[0][1], PAIRS[1][1]], "id": "first"},
        *({"query": query, "pos": [positive], "id": "other"} for query, positive in PAIRS[2:]),
        {"query": "boiling water", "pos": [PAIRS[5][1]], "id": "again"},
    ]
    mined = hnhub.mine(several, negatives=4, method=["bm25"])
    rows = list(mined.datasets["bm25"])
    assert [row["id"] for row in rows] == ["first", "first", *["other"] * 22, "again"]
    assert [row["positive"] for row in rows if row["query"] == "boiling water"] == [PAIRS[n][1] for n in (0, 1, 5)]
    kept_out = {PAIRS[n][1] for n in (0, 1, 5)}
    for row in rows:
        if row["query"] == "boiling water":
            assert not kept_out & {row[f"negative_{n}"] for n in range(1, 5)}
    assert mined.run.stats["stats"]["rows"]["queries"] == {"train": 23}


def test_positives_in_numbered_columns_are_several() -> None:
    frame = pl.DataFrame({"question": ["boils"], "positive_1": [PAIRS[0][1]], "positive_2": [PAIRS[1][1]]})
    mined = hnhub.mine(frame, corpus=[positive for _, positive in PAIRS], negatives=2)
    assert mined.dataset["positive"] == [PAIRS[0][1], PAIRS[1][1]]


def test_a_corpus_of_ones_own_is_where_negatives_come_from(made: Path) -> None:
    passages = [{"_id": f"p{n}", "title": f"Kettle {n}", "text": f"It boils {n} litres."} for n in range(40)]
    titled = [(f"kettle {n}", f"Kettle {n} It boils {n} litres.") for n in range(5)]
    bare = [(f"what boils {n} litres", f"It boils {n} litres.") for n in range(5, 9)]
    mined = hnhub.mine([*titled, *bare, ("a river", "Rivers carry boats.")], corpus=passages, negatives=2)
    positives = mined.run.to_frame("queries")["positive_ids"].to_list()
    assert positives[:9] == [[f"p{n}"] for n in range(9)]  # found by title and text, and by the text alone
    texts = {f"{p['title']} {p['text']}" for p in passages} | {"Rivers carry boats."}
    assert all(row[f"negative_{n}"] in texts for row in mined.dataset for n in (1, 2))
    assert mined.dataset[5]["positive"] == "It boils 5 litres."
    named = hnhub.mine([("river", "A river of its own.")], corpus=made, negatives=2)
    assert named.rows == {"bm25": 1}


def test_what_can_not_be_a_pair_stands_in_the_ledger() -> None:
    mined = hnhub.mine([*PAIRS, ("no positive", " "), ("", "no query"), (None, None)], negatives=2)
    assert mined.pairs == 24
    found = mined.ledger.filter(pl.col("reason") == "empty")["detail"].to_list()
    assert found == ["pair 24: no positive", "pair 25: no query", "pair 26: no query and positive"]
    assert "empty" in repr(mined)
    assert "rows by bm25" in mined._repr_html_()


def test_too_few_negatives_leave_a_pair_out_or_keep_it() -> None:
    few = PAIRS[:3]
    assert hnhub.mine(few, negatives=5, depth=10, on_shortfall="keep").dataset[0]["negative_3"] is None
    dropped = hnhub.mine(few, negatives=5, depth=10, on_shortfall="keep", name="kept")
    assert dropped.rows == {"bm25": 3}
    assert hnhub.mine(PAIRS, negatives=5, max_percent=0.5, sampling="random").rows == {"bm25": 24}


def test_without_usual_names_the_first_column_is_the_query_the_second_the_positive() -> None:
    rows = [{"foo": query, "bar": positive, "number": n} for n, (query, positive) in enumerate(PAIRS)]
    mined = hnhub.mine(rows, negatives=2)
    assert list(zip(mined.dataset["query"], mined.dataset["positive"], strict=True)) == PAIRS
    assert mined.datasets["bm25"]["number"] == list(range(24))


def test_pairs_that_get_no_negatives_are_an_empty_dataset(caplog: pytest.LogCaptureFixture) -> None:
    told: list[hnhub.progress.Event] = []
    with hnhub.progress.listening(told.append):
        mined = hnhub.mine([("what", "it is and"), ("who", "they are")], negatives=2)
    assert "bm25: none of 2 pairs got 2 negatives; ask for fewer, or give a larger corpus by --corpus" in caplog.text
    assert sum(sum(event.dropped.values()) for event in told if event.state == "made") == 2
    assert mined.rows == {"bm25": 0}
    assert len(mined.dataset) == 0
    assert mined.dataset.column_names == ["query", "positive", "negative_1", "negative_2"]
    assert "shortfall" in mined.summary()


def test_the_same_pairs_are_mined_once(tmp_path: Path) -> None:
    first = hnhub.mine(PAIRS, negatives=2, out=tmp_path, name="kettles")
    at = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    again = hnhub.mine(PAIRS, negatives=2, out=tmp_path, name="kettles")
    assert first.files == again.files == {"bm25": tmp_path / "kettles" / "mined" / "bm25" / "rows.parquet"}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == at
    other = hnhub.mine(PAIRS[:-1], negatives=2, out=tmp_path, name="kettles")
    assert other.rows == {"bm25": 23}


def test_models_are_taken_as_objects(static_model: str) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(static_model)
    mined = hnhub.mine(PAIRS, method=["dense"], model=model, negatives=2)
    assert mined.rows == {"dense": 24}
    assert mined.scored["provenance"].struct.field("model").drop_nulls()[0] not in (None, "")
    by_folder = hnhub.mine(PAIRS, method="dense", model=static_model, negatives=2)
    assert by_folder.dataset["negative_1"] == mined.dataset["negative_1"]
    with pytest.raises(UsageError, match="no model is needed"):
        hnhub.mine(PAIRS, model=model)
    with pytest.raises(UsageError, match="several models are needed"):
        hnhub.mine(PAIRS, method=["dense", "ce"], model=static_model)


@pytest.mark.parametrize(
    ("pairs", "more", "words", "kind"),
    [
        ([("only one",)], {}, "pair 0: is", InputError),
        ([{"query": "a", "text": "b"}], {}, "no column for the positive among query, text", InputError),
        ([{"query": "a", "positive": "b"}], {"query": "qery"}, "no column 'qery'; did you mean 'query'", InputError),
        ([{"query": "a", "positive": "b", "negative_1": "c"}], {}, "'negative_1' already", InputError),
        ([{"query": "a", "positive": "\ud83d"}], {}, "pairs 0 to 0", InputError),
        ([{"query": "a", "positive": {"x": 1}}], {}, "'positive' holds Struct", InputError),
        ([{"foo": 1, "bar": 2}], {}, "'foo' holds Int64, not texts", InputError),
        ([{"query": "a", "positive": [1, 2]}], {}, r"'positive' holds List\(Int64\), not texts", InputError),
        ([], {}, "holds no pair", InputError),
        ([("", "")], {}, "holds no pair", InputError),
        (3, {}, "a int is no pairs", UsageError),
        (datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)}), {}, "several datasets", UsageError),
        ("/nowhere/pairs.jsonl", {}, "no such file", InputError),
        (PAIRS, {"method": "bm26"}, "'bm26' is no method", UsageError),
        (PAIRS, {"negatives": 0}, "negatives = 0", UsageError),
        (PAIRS, {"samplng": "top"}, "no option 'samplng'; did you mean 'sampling'", UsageError),
        (PAIRS, {"corpus": []}, "holds no|no document", InputError),
    ],
)
def test_bad_input_is_refused(pairs: Any, more: dict[str, Any], words: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=words):
        hnhub.mine(pairs, **more)


def test_bad_files_are_refused_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"query": "a", "positive": "b"}\n{"query": \n')
    with pytest.raises(InputError, match=r"broken\.jsonl: can't be read"):
        hnhub.mine(broken)
    (tmp_path / "pairs.txt").write_text("a b")
    with pytest.raises(InputError, match=r"no file of pairs"):
        hnhub.mine(tmp_path / "pairs.txt")
    with pytest.raises((ServiceError, InputError), match="org/pairs"):
        hnhub.mine("org/pairs")


def test_the_command(tmp_path: Path, hnhub: Callable[..., Any]) -> None:
    path = written(tmp_path, "jsonl")
    done = hnhub("mine", path, "--negatives", 2, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["pairs"], result["rows"]) == (24, {"bm25": 24})
    rows = pl.read_parquet(result["files"]["bm25"])
    assert rows.columns == ["query", "positive", "negative_1", "negative_2", "line"]
    shown = hnhub("mine", path, "--negatives", 2, "--out", tmp_path / "out")
    assert "rows by bm25" in shown.stdout
    assert shown.stderr.count("there") >= 5
    assert f"{24 * 23} candidates " in shown.stderr
    assert f"{24 * 2} negatives of {24 * 23} candidates " in shown.stderr
    wrong = hnhub("mine", path, "--positive", "ansver")
    assert wrong.returncode == 2
    assert "did you mean 'answer'" in wrong.stderr


def test_a_dataset_that_is_replaced_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def replaced(pairs: list[tuple[str, str]], negatives: int) -> list[str]:
        """What is said to have been there."""
        caplog.clear()
        hnhub.mine(pairs, negatives=negatives, name="pairs", out=tmp_path)
        said = [record.getMessage() for record in caplog.records if "replaces" in record.getMessage()]
        assert all(one.endswith("; give another name or --out to keep both") for one in said)
        return [one.partition("; ")[0] for one in said]

    held = f"{tmp_path / 'pairs'}: replaces the dataset of"
    assert replaced(PAIRS, 3) == replaced(PAIRS, 3) == []
    assert replaced(PAIRS, 2) == [f"{held} other settings (negatives 3 -> 2)"]
    revision = json.loads((tmp_path / "pairs" / "corpus" / "stage.json").read_text())["revision"]
    assert replaced(PAIRS[:20], 2) == [f"{held} another corpus ({revision}, 24 documents)"]


def test_a_corpus_that_is_no_valid_unicode_is_refused() -> None:
    with pytest.raises(InputError, match="document 1 is no valid Unicode"):
        hnhub.mine(PAIRS, corpus=["a text", "\ud83d"])
