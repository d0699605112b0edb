"""From files to Parquet: real corpora, every format, every layout, the order, the bytes, what is dropped."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.corpus.load import make_corpus, resolve
from hnhub.schema import DOCUMENTS, LEDGER, QRELS, QUERIES
from hnhub.stages import run_stage

Load = Callable[[Path], tuple[Mapping[str, Any], dict[str, pl.DataFrame]]]

REAL = {
    "scifact": (5183, {"train": 809, "test": 300}, {"train": 919, "test": 339}, {}),
    "nfcorpus": (3633, {"train": 2590, "dev": 324, "test": 323}, {"train": 110575, "dev": 11385, "test": 12334}, {}),
    "cranfield": (1398, {"test": 225}, {"test": 1836}, {"empty": 2, "empty-document": 1}),
}


@pytest.mark.parametrize("name", REAL)
def test_real_corpora(name: str, beir: Path, load: Load) -> None:
    facts, tables = load(beir / name)
    documents, queries, qrels, dropped = REAL[name]
    assert facts["counts"] == {"documents": documents, "queries": queries, "qrels": qrels}
    assert facts["dropped"] == dropped
    assert tables["documents"].height == documents
    with (beir / name / "corpus.jsonl").open(encoding="utf-8") as file:
        first = json.loads(next(file))
    assert tables["documents"].row(0) == (first["_id"], first["title"], first["text"])


def test_tables_and_facts(folder: Path, load: Load) -> None:
    facts, tables = load(folder)
    assert [tables[name].schema for name in ("documents", "queries", "qrels", "ledger")] == [
        DOCUMENTS,
        QUERIES,
        QRELS,
        LEDGER,
    ]
    assert tables["documents"].rows() == [
        ("d1", "Wings", "Lift grows with the angle of attack."),
        ("d2", "", "Über Grenzschichten: naïve Näherung"),
        ("d3", "Only a title", ""),
    ]
    assert tables["queries"].rows() == [
        ("train", "q2", "boundary layers"),
        ("test", "q1", "what is lift"),
        ("unjudged", "q3", "why"),
    ]
    assert tables["qrels"].rows() == [("train", "q2", "d2", 2), ("test", "q1", "d1", 1), ("test", "q1", "d2", 0)]
    assert facts["corpus"] == "small"
    assert facts["licence"] == "unknown"
    assert facts["revision"].startswith("files-")
    assert facts["counts"] == {
        "documents": 3,
        "queries": {"train": 1, "test": 1, "unjudged": 1},
        "qrels": {"train": 1, "test": 2},
    }
    assert str(folder) not in json.dumps(facts)


def test_a_query_judged_in_two_splits_stands_in_both(folder: Path, load: Load) -> None:
    (folder / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td3\t1\n", encoding="utf-8")
    _, tables = load(folder)
    assert [row[:2] for row in tables["queries"].rows()] == [
        ("train", "q2"),
        ("dev", "q1"),
        ("test", "q1"),
        ("unjudged", "q3"),
    ]


def test_what_is_empty_or_repeated_is_dropped_with_a_reason(folder: Path, load: Load) -> None:
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"_id": "d4", "title": " ", "text": "\\n"}\n{"_id": "d5"}\n')
    with (folder / "queries.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"_id": "q4", "text": ""}\n')
    with (folder / "qrels" / "test.tsv").open("a", encoding="utf-8") as file:
        file.write("q3\td4\t1\nq4\td1\t1\nq1\td1\t1\n")
    facts, tables = load(folder)
    assert facts["dropped"] == {"empty": 3, "empty-document": 1, "empty-query": 1, "repeated": 1}
    assert tables["ledger"].select("reason", "query_id", "document_id").rows() == [
        ("empty", None, "d4"),
        ("empty", None, "d5"),
        ("empty", "q4", None),
        ("empty-document", "q3", "d4"),
        ("empty-query", "q4", "d1"),
        ("repeated", "q1", "d1"),
    ]
    assert ("unjudged", "q3", "why") in tables["queries"].rows(), "its only judgement was dropped"
    assert "q4" not in tables["queries"]["query_id"]


# --- formats and layouts


def _as_gzip(folder: Path) -> None:
    for name in ("corpus.jsonl", "queries.jsonl"):
        data = (folder / name).read_bytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        (folder / name).unlink()


def _as_parquet_shards(folder: Path) -> None:
    for name in ("corpus", "queries"):
        table = pl.read_ndjson(folder / f"{name}.jsonl")
        (folder / name).mkdir()
        table[:1].write_parquet(folder / name / f"{name}-00000-of-00002.parquet")
        table[1:].write_parquet(folder / name / f"{name}-00001-of-00002.parquet")
        (folder / f"{name}.jsonl").unlink()
    for split in ("train", "test"):
        path = folder / "qrels" / f"{split}.tsv"
        table = pl.read_csv(path, separator="\t").with_columns(pl.col("score").cast(pl.Float64))
        table.write_parquet(folder / "qrels" / f"{split}-00000-of-00001.parquet")
        path.unlink()


def _as_csv_with_own_names(folder: Path) -> None:
    corpus = pl.read_ndjson(folder / "corpus.jsonl").select(
        pl.col("_id").alias("nr"), pl.col("title").alias("kopf"), pl.col("text").alias("inhalt")
    )
    corpus.write_csv(folder / "corpus.csv")
    pl.read_ndjson(folder / "queries.jsonl").rename({"_id": "qid", "text": "question"}).write_csv(
        folder / "queries.csv"
    )
    for name in ("corpus.jsonl", "queries.jsonl"):
        (folder / name).unlink()
    (folder / "columns.toml").write_text('[documents]\nid = "nr"\ntitle = "kopf"\ntext = "inhalt"\n', encoding="utf-8")


def _as_slow_jsonl(folder: Path) -> None:
    """Blank lines and carriage returns, which pyarrow's reader leaves to the slow one."""
    path = folder / "corpus.jsonl"
    path.write_bytes(b"\n" + path.read_bytes().replace(b"\n", b"\r\n\r\n"))


def _as_validation(folder: Path) -> None:
    (folder / "qrels" / "train.tsv").rename(folder / "qrels" / "validation.tsv")


@pytest.mark.parametrize("change", [_as_gzip, _as_parquet_shards, _as_csv_with_own_names, _as_slow_jsonl])
def test_every_format_gives_the_same_bytes(change: Callable[[Path], None], folder: Path, tmp_path: Path) -> None:
    def bytes_of(place: Path, out: Path) -> dict[str, bytes]:
        out.mkdir()
        make_corpus(out, resolve("small", place))
        return {path.name: path.read_bytes() for path in out.iterdir()}

    plain = bytes_of(folder, tmp_path / "plain")
    change(folder)
    assert bytes_of(folder, tmp_path / "other") == plain


def test_validation_is_dev(folder: Path, load: Load) -> None:
    _as_validation(folder)
    facts, _ = load(folder)
    assert facts["counts"]["qrels"] == {"dev": 1, "test": 2}


def test_splits_in_several_formats_are_all_read(folder: Path, load: Load) -> None:
    (folder / "qrels" / "test.tsv").unlink()
    (folder / "qrels" / "test.jsonl").write_text(
        '{"query-id": "q1", "corpus-id": "d1", "score": 1}\n', encoding="utf-8"
    )
    (folder / "qrels" / "train.jsonl").write_text("read in its first format alone", encoding="utf-8")
    facts, _ = load(folder)
    assert facts["counts"]["qrels"] == {"train": 1, "test": 1}, "a test split that is not seen is trained on"


def test_numbers_as_ids(folder: Path, load: Load) -> None:
    (folder / "corpus.jsonl").write_text('{"_id": 7, "text": "seven"}\n', encoding="utf-8")
    (folder / "qrels" / "train.tsv").unlink()
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\t7\t1\n", encoding="utf-8")
    _, tables = load(folder)
    assert tables["documents"].rows() == [("7", "", "seven")]


def test_large_files_are_cut_and_joined_right(folder: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    from hnhub.corpus import parquet, tables

    monkeypatch.setattr(tables, "_BLOCK_BYTES", 3000)
    monkeypatch.setattr(parquet, "_ROW_GROUP", 64)
    rows = [{"_id": f"x{i}", "title": f"t{i}", "text": "wörd " * (i % 50)} for i in range(1000)]
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=i % 2 == 0) + "\n" for i, row in enumerate(rows))
    facts, found = load(folder)
    assert facts["counts"]["documents"] == 1003
    assert found["documents"]["document_id"].to_list()[3:] == [row["_id"] for row in rows]
    assert found["documents"]["text"].to_list()[3:] == [row["text"] for row in rows]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), st.tuples(TEXT, TEXT), min_size=1
    ),
    st.booleans(),
)
def test_round_trip(rows: dict[str, tuple[str, str]], escaped: bool) -> None:
    """JSON lines -> Parquet gives the same records, in order; those without any text are in the ledger instead."""
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place, "in"), Path(place, "out")
        (folder / "qrels").mkdir(parents=True)
        out.mkdir()
        rows |= {"the last": ("", "a text")}
        lines = [
            json.dumps({"_id": key, "title": title, "text": text}, ensure_ascii=escaped) + "\n"
            for key, (title, text) in rows.items()
        ]
        (folder / "corpus.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
        (folder / "queries.jsonl").write_text('{"_id": "q", "text": "x"}\n', encoding="utf-8")
        (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tthe last\t1\n", encoding="utf-8")
        make_corpus(out, resolve("made", folder))
        kept = pl.read_parquet(out / "documents.parquet").rows()
        dropped = pl.read_parquet(out / "ledger.parquet")["document_id"].to_list()
    expected = [(key, title, text) for key, (title, text) in rows.items()]
    assert [row for row in expected if row[0] not in dropped] == kept
    assert all(not (rows[key][0] + rows[key][1]).strip() for key in dropped)
    assert len(kept) + len(dropped) == len(rows)


# --- where a corpus is found


def test_hnhub_corpora(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_CORPORA", str(folder.parent))
    assert resolve("small").folder == folder
    shutil.copytree(folder, folder.parent / "cqadupstack" / "android")
    assert resolve("cqadupstack-android").folder == folder.parent / "cqadupstack" / "android"
    assert resolve("pydocs").folder is None


def test_identity_follows_the_content(folder: Path) -> None:
    before = resolve("small", folder).identity()
    moved = folder.rename(folder.with_name("moved"))
    assert resolve("small", moved).identity() == before
    (moved / "columns.toml").write_text("", encoding="utf-8")
    assert (mapped := resolve("small", moved).identity()) != before
    (moved / "excluded.jsonl").write_text('{"query-id": "q1", "corpus-id": "d2"}\n', encoding="utf-8")
    assert resolve("small", moved).identity() != mapped


# --- killed in the middle

_SLOW = """
import sys, time
from pathlib import Path
from hnhub.corpus import load
from hnhub.corpus.parquet import DocumentWriter
from hnhub.stages import run_stage
write = DocumentWriter.write
def slowly(self, rows):
    write(self, rows)
    print("writing", flush=True)
    time.sleep(0.05)
DocumentWriter.write = slowly
source = load.resolve("small", Path(sys.argv[1]))
run_stage(Path(sys.argv[2]), {"source": source.identity()}, lambda out, work: load.make_corpus(out, source))
"""


def test_killed_while_writing_leaves_nothing_half_written(folder: Path, tmp_path: Path) -> None:
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps({"_id": f"x{i}", "text": f"word {i} " * 200}) + "\n" for i in range(20_000))
    target = tmp_path / "run" / "corpus"
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(folder), str(target)], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    time.sleep(0.06)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not target.exists()
    source = resolve("small", folder)
    record = run_stage(target, {"source": source.identity()}, lambda out, _: make_corpus(out, source))
    assert sorted(record.files) == ["documents.parquet", "ledger.parquet", "qrels.parquet", "queries.parquet"]
    assert record.files["documents.parquet"]["rows"] == 20_003
    assert not list(target.parent.glob(".work/*"))
