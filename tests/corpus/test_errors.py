"""One clear error per kind of bad input: the place, and what to do. Nothing stays behind."""

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from hnhub.corpus.convert import ACCEPTED
from hnhub.corpus.load import make_corpus, resolve
from hnhub.errors import InputError
from hnhub.stages import run_stage

HEAD = "query-id\tcorpus-id\tscore\n"


def _write(name: str, text: str | bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return change


def _append(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return change


def _delete(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _parquet(name: str, columns: dict[str, list[object]]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / f"{name}.jsonl").unlink()
        pl.DataFrame(columns).write_parquet(folder / f"{name}.parquet")

    return change


def _csv(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "corpus.jsonl").unlink()
        (folder / "corpus.csv").write_text(text, encoding="utf-8")

    return change


def _no_qrels(folder: Path) -> None:
    for path in (folder / "qrels").iterdir():
        path.unlink()


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "no corpus": (_delete("corpus.jsonl"), r"corpus\.jsonl: missing; put corpus\.<format>"),
    "no queries": (_delete("queries.jsonl"), r"queries\.jsonl: missing"),
    "no qrels": (_no_qrels, r"holds no qrels; add qrels/<split>\.tsv"),
    "bad JSON": (_append("corpus.jsonl", '{"_id": "d4", "text": \n'), r"corpus\.jsonl: line 4: is not JSON"),
    "two objects on a line": (_append("corpus.jsonl", '{"_id": "4"} {"_id": "5"}\n'), r"line 4: is not JSON"),
    "bad UTF-8": (_write("corpus.jsonl", b'{"_id": "1", "text": "\xff"}\n'), r"corpus\.jsonl: line 1: is not JSON"),
    "half a surrogate": (_append("corpus.jsonl", '{"_id": "4", "text": "\\ud800"}\n'), "line 4: text holds half"),
    "not an object": (_append("queries.jsonl", "[1]\n"), r"queries\.jsonl: line 4: is not a JSON object"),
    "text is a list": (_append("corpus.jsonl", '{"_id": "4", "text": ["a"]}\n'), "line 4: text is not text"),
    "deep nesting": (_append("corpus.jsonl", '{"_id": "4", "x": ' + "[" * 200_000 + "\n"), "line 4: is n"),
    "no id": (_append("corpus.jsonl", '{"text": "no id"}\n'), r"corpus\.jsonl: line 4: has no id"),
    "empty id": (_append("queries.jsonl", '{"_id": "", "text": "x"}\n'), r"queries\.jsonl: line 4: has no id"),
    "document twice": (
        _append("corpus.jsonl", '\n{"_id": "d1", "text": "again"}\n'),
        r"corpus\.jsonl: line 5: document id 'd1' stands already in .*corpus\.jsonl: line 1; keep one",
    ),
    "query twice": (
        _append("queries.jsonl", '{"_id": "q2", "text": "again"}\n'),
        r"queries\.jsonl: line 4: query id 'q2' stands already in .*line 2",
    ),
    "only empty documents": (_write("corpus.jsonl", '{"_id": "1", "text": ""}\n'), "holds no document with a title"),
    "empty corpus": (_write("corpus.jsonl", ""), "holds no document"),
    "empty queries": (_write("queries.jsonl", "\n"), "holds no query"),
    "empty qrels": (_write("qrels/test.tsv", HEAD), r"test\.tsv: holds no judgement"),
    "wrong columns": (
        _write("corpus.jsonl", '{"key": "1", "text": "x"}\n'),
        r"corpus\.jsonl: wrong columns: none of _id, .* among key, text; rename",
    ),
    "qrels without header": (_write("qrels/test.tsv", "q1\td1\t1\n"), r"test\.tsv: wrong columns: none of query-id"),
    "qrels short line": (_append("qrels/test.tsv", "q1\td1\n"), r"test\.tsv: line 4: has 2 columns, not 3"),
    "unknown document": (
        _append("qrels/test.tsv", "q1\td9\t1\n"),
        r"test\.tsv: line 4: document_id 'd9' is not among the documents \(1 such of 3 judgements\)",
    ),
    "unknown query": (_append("qrels/test.tsv", "q9\td1\t1\n"), r"test\.tsv: line 4: query_id 'q9' is not among"),
    "no document in qrels": (_append("qrels/test.tsv", "q1\t\t1\n"), r"test\.tsv: line 4: has no document_id"),
    "score is text": (_append("qrels/test.tsv", "q1\td3\tyes\n"), r"test\.tsv: line 4: score 'yes' is not a whole"),
    "score is a fraction": (_append("qrels/test.tsv", "q1\td3\t0.5\n"), r"line 4: score '0\.5' is not a whole number"),
    "judged differently": (
        _append("qrels/test.tsv", "q1\td1\t0\n"),
        r"line 4: query 'q1' and document 'd1' are judged",
    ),
    "a split called unjudged": (_write("qrels/unjudged.tsv", HEAD + "q1\td1\t1\n"), "'unjudged' is no name"),
    "gzip cut off": (
        lambda folder: (_delete("corpus.jsonl")(folder), _write("corpus.jsonl.gz", b"\x1f\x8b\x08\x00")(folder))[0],
        r"corpus\.jsonl\.gz: can't be read",
    ),
    "not Parquet": (
        lambda folder: (_delete("corpus.jsonl")(folder), _write("corpus.parquet", b"PAR1 no")(folder))[0],
        r"corpus\.parquet: can't be read as Parquet",
    ),
    "Parquet without id": (_parquet("corpus", {"text": ["a"]}), r"corpus\.parquet: wrong columns"),
    "Parquet with a null id": (
        _parquet("corpus", {"_id": ["a", None], "text": ["x", "y"]}),
        r"corpus\.parquet: row 2: has no id",
    ),
    "Parquet with lists": (
        _parquet("corpus", {"_id": ["a"], "text": [["x"]]}),
        r"corpus\.parquet: column text is not text",
    ),
    "CSV with an open quote": (_csv('id,text\n1,"open\n'), r"corpus\.csv: line 2: is not CSV"),
    "CSV short line": (_csv('id,text\n1,"two\nlines"\n2\n'), r"corpus\.csv: line 4: has 1 columns, not 2"),
    "a shard is missing": (
        lambda folder: (folder / "corpus.jsonl").rename(folder / "corpus-00001-of-00002.jsonl"),
        r"corpus-00000-of-00002: missing \(1 of 2 shards are there\)",
    ),
    "excluded.jsonl broken": (_write("excluded.jsonl", "d1\n"), r"excluded\.jsonl: line 1: is not JSON"),
    "columns.toml broken": (_write("columns.toml", "[documents"), r"columns\.toml: is not TOML"),
    "columns.toml unknown": (
        _write("columns.toml", '[documents]\nname = "x"\n'),
        "unknown entry in documents; use only",
    ),
    "columns.toml no string": (_write("columns.toml", "[documents]\nid = 3\n"), r"documents\.id is no column's name"),
    "columns.toml absent column": (
        _write("columns.toml", '[documents]\ntitle = "headline"\n'),
        "none of headline among",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input(kind: str, folder: Path, tmp_path: Path) -> None:
    change, message = BAD[kind]
    change(folder)
    target = tmp_path / "run" / "corpus"
    with pytest.raises(InputError) as caught:
        run_stage(target, {"try": kind}, lambda out, _: make_corpus(out, resolve("small", folder)))
    text = str(caught.value)
    assert re.search(message, text), text
    assert "\n" not in text
    assert text.count("; ") >= 1, "no next action"
    assert caught.value.exit_code == 2
    assert not target.exists()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        resolve("small", tmp_path / "nowhere")


def test_counts_are_the_catalogs(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scifact should have 5,183 documents, but has 3"):
        make_corpus(tmp_path, resolve("scifact", folder))


def test_judged_queries_are_the_catalogs(folder: Path, tmp_path: Path) -> None:
    """As many documents and test queries as SciFact has, and nothing judged to train on."""
    documents = [f'{{"_id": "d{i}", "title": "", "text": "text {i}"}}\n' for i in range(5183)]
    queries = [f'{{"_id": "q{i}", "text": "query {i}"}}\n' for i in range(300)]
    (folder / "corpus.jsonl").write_text("".join(documents))
    (folder / "queries.jsonl").write_text("".join(queries))
    (folder / "qrels" / "test.tsv").write_text(HEAD + "".join(f"q{i}\td{i}\t1\n" for i in range(300)))
    (folder / "qrels" / "train.tsv").unlink()
    with pytest.raises(InputError, match=r"scifact should have 809 judged train queries, but has 0"):
        make_corpus(tmp_path, resolve("scifact", folder))


def test_the_docs_name_every_accepted_column() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
    for columns in ACCEPTED.values():
        for names in columns.values():
            assert f"| {', '.join(f'`{name}`' for name in names)} |" in page


def test_gated_corpora_need_the_users_own_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HNHUB_CORPORA", raising=False)
    with pytest.raises(InputError, match=r"robust04: its text is gated .* --corpus-dir"):
        resolve("robust04")
