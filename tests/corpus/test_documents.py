"""A folder of documents as a corpus: what is read, where it is cut, ids that stay."""

import itertools
import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.api.inputs import open_corpus, source_of
from hnhub.corpus.documents import CUT_VERSION, Chunking, chunk_document, tokens
from hnhub.corpus.load import make_corpus, resolve
from hnhub.errors import InputError, UsageError
from hnhub.records import parent_of
from hnhub.stages import facts_of

PROSE = " ".join(f"Sentence number {i} says something about pumps and valves." for i in range(60))
GUIDE = f"""# Guide

A short word before all.

## Install

Put it on a table.

```sh
# not a heading
make install
```

## Use `it`

{PROSE}
"""
WORDS = st.text(alphabet="ab cdé.,\n標題ก#", max_size=600)


def corpus(folder: Path, out: Path, chunking: Chunking | None = None) -> pl.DataFrame:
    out.mkdir()
    facts = make_corpus(out, resolve(str(folder), None, chunking))
    assert facts["chunked"]
    return pl.read_parquet(out / "documents.parquet")


@pytest.fixture
def manuals(tmp_path: Path) -> Path:
    folder = tmp_path / "My manuals"
    (folder / "deep").mkdir(parents=True)
    (folder / "guide.md").write_text(GUIDE)
    (folder / "deep" / "notes_on-oil.txt").write_text(PROSE)
    (folder / "page.html").write_text(
        "<html><head><title>x</title><style>p {}</style></head><body><nav>Home</nav><main><h1>Oil</h1>"
        "<p>Oil is <b>slippery</b> &amp; <a href='/x'>thick</a>.</p><script>alert(1)</script></main></body></html>"
    )
    (folder / ".DS_Store").write_bytes(b"\xff")
    return folder


def test_sections_that_fit_share_a_chunk_and_long_ones_are_cut(manuals: Path, tmp_path: Path) -> None:
    found = corpus(manuals, tmp_path / "out", Chunking(64))
    rows = {row["document_id"]: row for row in found.iter_rows(named=True)}
    first = rows["guide.md#1"]
    assert first["title"] == "Guide"
    assert "Put it on a table." in first["text"]
    assert "# not a heading\nmake install" in first["text"]
    assert rows["guide.md#2"]["title"] == "Guide: Use it"
    assert rows["deep/notes_on-oil.txt#1"]["title"] == "notes on oil"
    assert rows["page.html#1"]["title"] == "Oil"
    assert rows["page.html#1"]["text"] == "Oil is **slippery** & thick."
    assert max(map(tokens, found["text"])) <= 64
    sentences = [row["text"].endswith(".") for name, row in rows.items() if name.startswith("deep/")]
    assert all(sentences), "a sentence was cut where it need not be"


def test_ids_stay_when_a_file_is_added(manuals: Path, tmp_path: Path) -> None:
    before = corpus(manuals, tmp_path / "before")
    (manuals / "another.md").write_text("# Another\n\nA text about cranes.")
    after = corpus(manuals, tmp_path / "after")
    assert set(before.iter_rows()) < set(after.iter_rows())
    assert resolve(str(manuals)).name == "My-manuals"
    assert parent_of("deep/notes_on-oil.txt#12") == "deep/notes_on-oil.txt"


def test_what_gives_no_chunk_stands_in_the_ledger(
    manuals: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (manuals / "empty.txt").write_text("\n \n")
    for name in ("photo.png", "SCAN.PNG", "Makefile"):
        (manuals / name).write_bytes(b"\x89PNG")
    corpus(manuals, tmp_path / "out")
    assert caplog.messages == [f"{manuals}: files of kinds that are not read are passed over: .png 2, no suffix 1"]
    ledger = pl.read_parquet(tmp_path / "out" / "ledger.parquet")
    assert set(ledger.select("document_id", "reason").iter_rows()) == {
        ("empty.txt", "empty"),
        *((name, "unknown_format") for name in ("photo.png", "SCAN.PNG", "Makefile")),
    }


def test_bad_input_names_the_file(manuals: Path, tmp_path: Path) -> None:
    (manuals / "old.txt").write_bytes("Öl".encode("latin-1"))
    with pytest.raises(InputError, match=r"old\.txt: can't be read as UTF-8"):
        corpus(manuals, tmp_path / "out")
    (manuals / "old.txt").unlink()
    Path(os.fsdecode(os.fsencode(manuals) + b"/caf\xe9.txt")).write_text("Coffee.", encoding="utf-8")
    with pytest.raises(InputError, match=r"caf\\xe9\.txt: the file's name is not UTF-8; rename it"):
        corpus(manuals, tmp_path / "out2")
    with pytest.raises(UsageError, match="--chunk-tokens"):
        Chunking(3)
    with pytest.raises(UsageError, match="only documents of your own are cut"):
        resolve("scifact", None, Chunking())


def test_a_pdf_is_read(manuals: Path, tmp_path: Path) -> None:
    pytest.importorskip("pdfminer", reason="needs the extra documents")
    (manuals / "leaflet.pdf").write_bytes(pdf("Grease the bearing once a year."))
    found = corpus(manuals, tmp_path / "out")
    row = found.filter(pl.col("document_id") == "leaflet.pdf#1").row(0, named=True)
    assert row["text"] == "Grease the bearing once a year."
    (manuals / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    with pytest.raises(InputError, match=r"broken\.pdf: can't be read"):
        corpus(manuals, tmp_path / "out2")


@given(WORDS, st.integers(16, 40))
def test_no_chunk_is_too_long_and_no_word_is_lost(text: str, size: int) -> None:
    chunks = chunk_document("a.md", text, Chunking(size))
    assert [chunk.document_id for chunk in chunks] == [f"a.md#{n}" for n in range(1, len(chunks) + 1)]
    assert all(len(chunk.text) > 0 and tokens(chunk.text) <= size for chunk in chunks)
    told = "".join(chunk.title + chunk.text for chunk in chunks)
    assert set("abcdé標題ก") & set(text) - set(told) == set()


MANUAL = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from([0, 0, 3, 12, 30, 90])).map(
        lambda drawn: (drawn[0], " ".join(f"word{i}" for i in range(drawn[1])))
    ),
    min_size=1,
    max_size=12,
)
"""Headings' levels, and the text under each, which may be none."""


@given(MANUAL, st.integers(32, 64))
def test_a_heading_goes_with_what_stands_under_it(sections: list[tuple[int, str]], size: int) -> None:
    marked = [
        f"{'#' * level} Heading{i}\n\n{body.replace('word', f'w{i}x')}" for i, (level, body) in enumerate(sections)
    ]
    text = "\n\n".join(marked)
    chunks = chunk_document("a.md", text, Chunking(size))
    assert [chunk.text for chunk in chunks[:-1] if chunk.text.split()[-1].startswith("Heading")] == []
    assert max(tokens(chunk.text) for chunk in chunks) <= size
    told = [word for chunk in chunks for word in f"{chunk.title} {chunk.text}".replace(":", "").split()]
    assert set(text.replace("#", "").split()) <= set(told)
    texts = [word for chunk in chunks for word in chunk.text.split() if word.startswith("w")]
    assert texts == [word for word in text.split() if word.startswith("w")]


def test_titles_are_the_path_of_headings_over_the_whole_chunk() -> None:
    steps = [f"### Step {i}\n\n{' '.join(['word'] * 20)}" for i in range(1, 4)]
    text = "\n\n".join(["# Manual", "A word before.", "## Install", *steps, "## Use", "### Step 1", "Turn it on."])
    first, second, third = chunk_document("a.md", text, Chunking(32))
    assert first.title == "Manual"
    assert first.text.startswith("A word before.\n\nInstall\n\nStep 1\n\nword")
    assert second.title == "Manual: Install: Step 2"
    assert third.title == "Manual"
    assert third.text.startswith("Install\n\nStep 3\n\nword")
    assert third.text.endswith("word\n\nUse\n\nStep 1\n\nTurn it on.")


def test_headings_with_nothing_under_them_are_kept() -> None:
    text = f"# Kept free\n# Guide\n\n{PROSE}\n\n# {'very ' * 40}long\n\n# End"
    chunks = chunk_document("a.md", text, Chunking(64))
    assert chunks[0].text.startswith("Kept free\n\nGuide\n\nSentence number 0")
    assert (chunks[0].title, chunks[1].title) == ("a", "Guide")
    assert chunks[-1].text.split() == [*["very"] * 40, "long", "End"]
    [(alone, *_)] = [chunk_document("a.md", "# Only\n\n## This", Chunking(64))]
    assert (alone.title, alone.text) == ("Only: This", "This")


def test_the_way_of_cutting_is_part_of_what_a_corpus_is(manuals: Path) -> None:
    cut, tables = resolve(str(manuals), None, Chunking(64)).identity(), resolve("pydocs").identity()
    assert cut["cut"] == CUT_VERSION
    assert cut["chunking"]["tokens"] == 64
    assert "cut" not in tables


def test_chunks_overlap_where_asked() -> None:
    chunks = chunk_document("a.txt", PROSE, Chunking(64, overlap=0.25))
    pairs = itertools.pairwise(chunks)
    assert all(after.text.split(".")[0] in before.text for before, after in pairs)


def test_one_book_keeps_its_negatives(manuals: Path, tmp_path: Path) -> None:
    book = tmp_path / "book"
    book.mkdir()
    (book / "guide.md").write_text(GUIDE)
    (tmp_path / "out").mkdir()
    facts = make_corpus(tmp_path / "out", resolve(str(book), None, Chunking(64)))
    assert facts["counts"]["documents"] > 1
    assert not facts["chunked"], "chunks of the only file are no siblings"


def test_texts_in_python_are_cut_if_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path))
    texts = {"a": PROSE, "b": "Short."}
    whole = open_corpus(texts)
    cut = open_corpus(texts, chunk_tokens=64, chunk_overlap=0.25)
    assert whole.documents == 2
    ids = cut.to_frame()["document_id"].to_list()
    assert ids == [*(f"a#{n}" for n in range(1, len(ids))), "b#1"]
    assert len(ids) > 2
    assert facts_of(cut.folder)["chunked"]
    assert not facts_of(whole.folder)["chunked"]
    with pytest.raises(UsageError, match="open_corpus"):
        source_of(cut, chunk_tokens=64)
    twice = open_corpus([PROSE, "Short.", PROSE], chunk_tokens=64, chunk_overlap=0.25)
    assert twice.documents == cut.documents
    assert twice.dropped == {"duplicate": 1}


def pdf(text: str) -> bytes:
    """The smallest file with one line of text."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources 5 0 R >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        "<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>",
    ]
    out, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    return (
        f"{out}xref\n0 6\n0000000000 65535 f \n{table}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    ).encode()
