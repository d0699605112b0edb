"""Marks made in the browser, kept in a file, and taken by the next build."""

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import hnhub
from hnhub.errors import InputError, UsageError
from hnhub.marks import read_marks
from small_corpus import write_corpus
from small_run import make_dataset

OPTIONS: dict[str, Any] = {"methods": ["bm25"], "queries_from": "qrels", "negatives": 3, "on_shortfall": "keep"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpora") / "made", documents=80, queries=16)


def test_ten_rows_marked_in_the_browser_and_built_again(browser: Any, corpus: Path, tmp_path: Path) -> None:
    before = hnhub.build(corpus, **OPTIONS, out=tmp_path / "runs")
    file, first = tmp_path / "marks.json", before.fingerprint
    with hnhub.view(before, sample=10).serving(file) as address:
        browser.open(address)
        assert browser.run("return document.querySelector('#save').hidden")
        for n in range(10):
            assert browser.text(".column .card.chosen header b")  # the drawn one is chosen already
            browser.press("f" if n == 0 else "p" if n == 1 else "g")
            more = browser.run("return document.querySelectorAll('.column .card').length")
            for other in range(1, more):  # two drawn negatives of one query
                browser.run("document.querySelectorAll('.column .card')[arguments[0]].click()", other)
                browser.press("g")
            browser.press("j")
        browser.press("k")
        bad = browser.text(".line[aria-selected=true] .text")
        browser.press("b")
        browser.wait("return document.querySelector('#marks-state').textContent.endsWith('saved')")
        marks = read_marks(file)
        browser.open(address)  # the file is what the page opens with
        assert "1 bad query" in browser.text("#marks-state")
        assert not browser.errors()
    negatives = [one for one in marks.marks if one.about == "negative"]
    assert len(negatives) == 10
    assert all(one.sampled == ("bm25",) for one in negatives)
    assert marks.sample == {"size": 10, "seed": 0}

    after = hnhub.build(corpus, **OPTIONS, marks=file, out=tmp_path / "runs")
    scored = after.to_frame("bm25-scored")
    for word, verdict in (("false_negative", "drop"), ("positive", "promote")):
        one = next(one for one in negatives if one.mark == word)
        row = scored.filter(pl.col("query_id") == one.query_id, pl.col("document_id") == one.document_id)
        if len(row):  # its query may be the one that was dropped
            assert row.select("verdict", "reason", "position").row(0) == (verdict, "reviewed", None)
    assert bad not in scored["query"]
    ledger = after.ledger.filter(reason="reviewed")
    assert set(ledger["stage"]) == {"queries", "negatives/bm25"}
    facts = after.stats["review"]
    assert (facts["read"], facts["negatives"], facts["false"], facts["share"]) == (11, 10, 2, 0.2)
    assert facts["methods"] == [{"method": "bm25", "read": 10, "false": 2, "share": 0.2, "low": 0.0567, "high": 0.5098}]
    assert "**Review.** 11 rows" in after.card()
    assert "2 of 10 negatives read were false: 20.0 %, 95 % interval 5.7 % to 51.0 % (Wilson)" in after.card()
    assert after.validate() == []
    again = hnhub.build(corpus, **OPTIONS, marks=read_marks(file), out=tmp_path / "runs")
    assert again.fingerprint == after.fingerprint != first
    browser.open(hnhub.view(after).save(tmp_path / "after.html"))
    assert "Read by a person" in browser.text("#numbers")


def test_marks_without_a_server_are_kept_and_saved_as_a_file(look: Any, tiny: Path) -> None:
    page = look(tiny)
    page.press("1", "f", "b")
    page.run(
        "window.hnhubSaved = null; const old = URL.createObjectURL; URL.createObjectURL = (blob) => { blob.text().then((text) => { window.hnhubSaved = text; }); return old(blob); }"
    )
    page.click("#save")
    saved = json.loads(page.wait("return window.hnhubSaved"))
    assert [(one["about"], one["mark"]) for one in saved["marks"]] == [
        ("negative", "false_negative"),
        ("query", "bad_query"),
    ]
    assert saved["marks"][0]["text"] == "A kettle can be bought in 1 shops of the town."
    page.open(page.driver.current_url)
    assert page.text("#marks-state") == "Marked: 1 false negative, 1 bad query"


def test_a_file_of_marks_is_shown_whatever_the_browser_kept(browser: Any, tiny: Path, tmp_path: Path) -> None:
    page, file = tmp_path / "page.html", tmp_path / "marks.json"

    def opened(**given: Any) -> str:
        browser.open(hnhub.view(tiny, **given).save(page))
        return str(browser.text("#marks-state"))

    fingerprint = hnhub.open_run(tiny).fingerprint
    mark = {"query_id": "q0", "about": "query", "mark": "bad_query"}
    file.write_text(
        json.dumps({"hnhub_marks": 1, "corpus": "tiny", "dataset": fingerprint, "sample": None, "marks": [mark]})
    )
    assert opened() == "Nothing is marked yet"
    browser.press("1", "f")
    assert opened(marks=file) == "Marked: 1 bad query"
    browser.press("1", "f")
    assert opened(marks=file) == "Marked: 1 false negative, 1 bad query", "what was marked since is kept"
    assert opened() == "Marked: 1 false negative"


def test_a_note_alone_is_no_verdict(look: Any, tiny: Path) -> None:
    page = look(tiny)
    page.press("1", "n")
    page.driver.switch_to.alert.send_keys("is this so?")
    page.driver.switch_to.alert.accept()
    assert page.text("#detail .card.chosen q") == "is this so?"
    assert page.text("#marks-state") == "Nothing is marked yet"


def test_bad_positives_and_generated_texts(corpus: Path, tmp_path: Path) -> None:
    documents = {f"d{n}": f"Kettle number {n} boils {n} litres of water." for n in range(12)}
    own = hnhub.open_corpus(
        documents, name="kettles", queries={"q1": "which kettle boils 4 litres", "q2": "kettle 7"},
        qrels={"q1": ["d4", "d5"], "q2": ["d7"]}, split="train",
    )  # fmt: skip
    marks = {"hnhub_marks": 1, "corpus": "kettles", "dataset": "f", "marks": [
        {"query_id": "q1", "about": "positive", "document_id": "d4", "mark": "bad_positive", "note": "of another kettle"},
        {"query_id": "q2", "about": "positive", "document_id": "d7", "mark": "good"},
        {"query_id": "q2", "about": "positive", "document_id": "d8", "mark": "good"},
    ]}  # fmt: skip
    (tmp_path / "marks.json").write_text(json.dumps(marks))
    run = hnhub.build(
        own, methods=["bm25"], queries_from="qrels", negatives=2, marks=tmp_path / "marks.json", out=tmp_path
    )
    assert dict(run.to_frame("queries").select("query_id", "positive_ids").iter_rows()) == {"q1": ["d5"], "q2": ["d7"]}
    assert run.ledger.filter(reason="reviewed").select("query_id", "document_id", "detail").rows() == [
        ("q1", "d4", "of another kettle")
    ]
    assert (
        "d4"
        not in run.to_frame("bm25-scored").filter(pl.col("query_id") == "q1", pl.col("position").is_not_null())[
            "document_id"
        ]
    )
    with pytest.raises(UsageError, match="the marks are of the corpus 'kettles', not of 'made'"):
        hnhub.build(corpus, **OPTIONS, marks=tmp_path / "marks.json", out=tmp_path)


def test_promoted_texts_are_all_shown_and_can_be_marked(browser: Any, tmp_path: Path) -> None:
    def promote(out: Path) -> None:
        (path,) = (out / "data" / "llm-scored").iterdir()
        written = pl.col("document_id").is_null() & (pl.col("query_id") == "q0")
        promoted = {"label": pl.lit(1, pl.Int8), "verdict": pl.lit("promote"), "position": None}
        columns = [pl.when(written).then(value).otherwise(name).alias(name) for name, value in promoted.items()]
        pl.read_parquet(path).with_columns(columns).write_parquet(path)

    page = hnhub.view(make_dataset(tmp_path, change=promote))
    query = next(one for one in page.data["queries"] if one["i"] == "q0")
    assert [document for document, *_ in query["p"]] == ["d0-2", None, None]
    with page.serving(tmp_path / "marks.json") as address:
        browser.open(address)
        browser.run("document.querySelectorAll('.positives .card')[2].click()")
        browser.press("x")
        browser.wait("return document.querySelector('#marks-state').textContent.endsWith('saved')")
    marks = read_marks(tmp_path / "marks.json")
    assert marks.negatives == {("q0", "A kettle can be bought in 2 shops of the town."): ("drop", "reviewed", None)}


def test_what_was_promoted_and_is_a_bad_positive_is_dropped(tmp_path: Path) -> None:
    own = hnhub.open_corpus(
        [{"_id": f"d{n}", "text": f"Kettle number {n} boils {n} litres of water."} for n in range(12)],
        name="kettles", queries={"q": "which kettle boils 4 litres"}, qrels={"q": ["d4"]}, split="train",
    )  # fmt: skip
    said = {"query_id": "q", "about": "negative", "document_id": "d5", "mark": "positive"}
    marks = {"hnhub_marks": 1, "corpus": "kettles", "dataset": "f", "marks": [said]}
    file = tmp_path / "marks.json"
    found = []
    for more in ([], [{**said, "about": "positive", "mark": "bad_positive"}]):
        file.write_text(json.dumps({**marks, "marks": [said, *more]}))
        run = hnhub.build(
            own, methods=["bm25"], queries_from="qrels", negatives=2, promote="positive", marks=file, out=tmp_path
        )
        row = run.to_frame("bm25-scored").filter(document_id="d5")
        found.append(row.select("label", "verdict", "reason").row(0))
    assert found == [(1, "promote", "reviewed"), (0, "drop", "reviewed")]


def test_marks_of_another_corpus_are_not_written_over(tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "marks.json"
    file.write_text('{"hnhub_marks": 1, "corpus": "made", "dataset": "f", "marks": []}')
    page = hnhub.view(tiny)
    with pytest.raises(InputError, match="holds marks of made, not of tiny; name another file"), page.serving(file):
        pass
    with pytest.raises(InputError, match="holds marks of made"):
        hnhub.view(tiny, marks=file)


def test_the_server_lets_nobody_else_in(tiny: Path, tmp_path: Path) -> None:
    marks = {"hnhub_marks": 1, "corpus": "tiny", "dataset": hnhub.open_run(tiny).fingerprint, "marks": []}
    kind = {"Content-Type": "application/json"}
    with hnhub.view(tiny).serving(tmp_path / "marks.json") as address:
        host, _, path = address.removeprefix("http://").partition("/")

        def ask(method: str, path: str, body: object = None, **headers: str) -> tuple[int, str]:
            connection = http.client.HTTPConnection(host, timeout=20)
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

        assert ask("GET", f"/{path}")[0] == 200
        for odd in ("/", "/marks", f"/{path}x", f"/{path}../", f"/{path[:-2]}/"):
            assert ask("GET", odd)[0] == 404
        assert ask("GET", f"/{path}", Host="evil.example")[0] == 404
        assert ask("POST", f"/{path}marks", marks, **kind, Origin="http://evil.example")[0] == 404
        assert ask("POST", "/marks", marks, **kind)[0] == 404
        assert ask("POST", f"/{path}marks", marks)[0] == 415
        assert ask("POST", f"/{path}marks", {**marks, "dataset": "x"}, **kind) == (
            400,
            "these marks are of another dataset",
        )
        assert ask("POST", f"/{path}marks", {**marks, "marks": [5]}, **kind) == (400, "mark 0: is no object")
        assert not (tmp_path / "marks.json").exists()
        assert ask("POST", f"/{path}marks", marks, **kind) == (200, "saved")
        assert read_marks(tmp_path / "marks.json").marks == ()


def test_the_command_serves_until_it_is_stopped(tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hnhub", "view", str(tiny), "--serve", "--marks", str(tmp_path / "marks.json")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        assert "12 of 12 queries; marks go into" in process.stdout.readline()
        host, _, path = address.removeprefix("http://").partition("/")
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.request("GET", f"/{path}")
        assert connection.getresponse().status == 200
        process.terminate()
        assert process.wait(20) == 0
