"""Office files, books and notebooks as documents: every kind that docs/corpora.md names, made here and read."""

import json
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hnhub.corpus.documents import Chunking, write
from hnhub.errors import InputError

LINE = "Grease the bearing once a year."


def docx(path: Path) -> None:
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
            'wordprocessingml.document.main+xml"/></Types>',
        )
        out.writestr(
            "_rels/.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
            'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
            'Target="word/document.xml"/></Relationships>',
        )
        out.writestr(
            "word/document.xml",
            f"<w:document {space}><w:body><w:p><w:r><w:t>{LINE}</w:t></w:r></w:p></w:body></w:document>",
        )


def pptx(path: Path) -> None:
    slides = pytest.importorskip("pptx").Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[1])
    slide.shapes.title.text = "Care"
    slide.placeholders[1].text = LINE
    slides.save(path)


def xlsx(path: Path) -> None:
    book = pytest.importorskip("openpyxl").Workbook()
    book.active.append(["Part", "Care"])
    book.active.append(["Bearing", LINE])
    book.save(path)


def xls(path: Path) -> None:
    """BIFF 2: one row of names, one of values."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    cells = [(0, 0, "Part"), (0, 1, "Care"), (1, 0, "Bearing"), (1, 1, LINE)]
    labels = [
        record(0x0004, struct.pack("<HH3xB", row, column, len(text)) + text.encode()) for row, column, text in cells
    ]
    path.write_bytes(record(0x0009, struct.pack("<HH", 2, 0x10)) + b"".join(labels) + record(0x000A, b""))


def epub(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("mimetype", "application/epub+zip")
        out.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="book.opf"/></rootfiles></container>',
        )
        out.writestr(
            "book.opf",
            '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest>'
            '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="a"/></spine></package>',
        )
        out.writestr("a.xhtml", f"<html><body><h1>Care</h1><p>{LINE}</p></body></html>")


def ipynb(path: Path) -> None:
    cells = [{"cell_type": "markdown", "metadata": {}, "source": ["# Care\n", "\n", LINE]}]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))


MAKERS: dict[str, Callable[[Path], None]] = {
    "docx": docx,
    "pptx": pptx,
    "xlsx": xlsx,
    "xls": xls,
    "epub": epub,
    "ipynb": ipynb,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_promised_kind_is_read(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "manuals"
    folder.mkdir()
    MAKERS[kind](folder / f"leaflet.{kind}")
    assert write(tmp_path, folder, Chunking()) == []
    [row] = map(json.loads, (tmp_path / "corpus.jsonl").read_text().splitlines())
    assert LINE in row["text"]
    assert "<!--" not in row["text"]


def test_half_a_character_is_written_as_one_that_is_unknown(tmp_path: Path) -> None:
    folder = tmp_path / "manuals"
    folder.mkdir()
    cells = [{"cell_type": "markdown", "metadata": {}, "source": ["Grease \ud83d daily \U0001f527."]}]
    (folder / "a.ipynb").write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    assert write(tmp_path, folder, Chunking()) == []
    [row] = map(json.loads, (tmp_path / "corpus.jsonl").read_text(encoding="utf-8").splitlines())
    assert row["text"] == "Grease \ufffd daily \U0001f527."


@pytest.mark.parametrize("kind", [*MAKERS, "pdf"])
def test_a_broken_file_is_one_clear_line(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "manuals"
    folder.mkdir()
    (folder / f"leaflet.{kind}").write_text("nothing of the kind")
    with pytest.raises(InputError) as found:
        write(tmp_path, folder, Chunking())
    where = re.escape(str(folder / f"leaflet.{kind}"))
    assert re.fullmatch(rf"{where}: can't be read as {kind.upper()} \([^:].*\); mend or delete it", str(found.value))
    assert "attempts" not in str(found.value)


@pytest.mark.parametrize(("kind", "package"), [("pptx", "pptx"), ("xlsx", "openpyxl")])
def test_a_missing_converter_says_what_to_install(kind: str, package: str, tmp_path: Path) -> None:
    folder = tmp_path / "manuals"
    folder.mkdir()
    MAKERS[kind](folder / f"leaflet.{kind}")
    code = (
        f"import sys; sys.modules[{package!r}] = None; from pathlib import Path\n"
        f"from hnhub.corpus.documents import Chunking, write; from hnhub.errors import MissingExtra\n"
        f"try: write(Path({str(tmp_path)!r}), Path({str(folder)!r}), Chunking())\n"
        "except MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    where = folder / f"leaflet.{kind}"
    assert done.stdout == f"{where}: what reads {kind.upper()} is not installed; pip install 'hnhub[documents]'\n"
