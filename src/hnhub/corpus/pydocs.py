"""The demo corpus: Python's own reference topics, which every Python brings along, cut into passages.

The text differs among Python versions, so the judgements of our queries (`hnhub.corpus.pydocs_queries`) name words
that the relevant passage contains, and are resolved when the corpus is made.
"""

import hashlib
import json
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hnhub.corpus.pydocs_queries import JUDGEMENTS
from hnhub.records import Document, Drop
from hnhub.stages import fingerprint

__all__ = ["NAME", "identity", "passages", "revision", "write"]

NAME = "pydocs"

_MIN_WORDS = 60
_MAX_WORDS = 150
"""A passage grows by whole blocks until it has _MIN_WORDS; a block that would take it over _MAX_WORDS starts the next."""
_TAIL_WORDS = 30
"""A section's last passage that is shorter joins the one before; so little left of a repeated section is left out."""

_FOOTNOTES = "Footnotes"

_UNDERLINE = re.compile(r"(\*+|=+|-+|~+|\^+|\"+)")
_SIGNATURE = re.compile(r"(class |exception |coroutine |await )?\w*[.(]\S")
_ITEM = re.compile(r"\s*([*-]|\d+\.|[IVX]+\.) ")
_EMPHASIS = re.compile(r"(?<![\w*\"])\*{1,2}(?=[^\s*])([^*\n]*?[^\s*])\*{1,2}(?![\w*])")
_FOOTNOTE = re.compile(r"(?<=\w|[.,)\"]) ?\[\d\](?![\w\"])")


@dataclass(frozen=True)
class _Block:
    """What stands between two blank lines. `glued` blocks stay in the passage of the one before."""

    text: str
    heading: bool = False
    signature: bool = False
    glued: bool = False


def revision() -> str:
    """The Python whose text it is."""
    return f"python-{platform.python_version()}"


def identity() -> dict[str, str]:
    """Python's version, and hashes of its topics and of our judgements."""
    topics = hashlib.sha256(json.dumps(sorted(_topics().items())).encode()).hexdigest()
    return {
        "python": platform.python_version(),
        "topics": topics,
        "judgements": fingerprint({"all": JUDGEMENTS}),
    }


def write(folder: Path) -> list[Drop]:
    """Write the corpus in BEIR layout into `folder`; return the judgements that this Python's text does not bear."""
    documents = passages()
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as file:
        for document in documents:
            row = {"_id": document.document_id, "title": document.title, "text": document.text}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    texts = {document.document_id: " ".join(document.text.split()) for document in documents}
    queries: dict[str, str] = {}
    qrels: dict[str, list[str]] = {}
    drops = []
    for number, (split, query, quotes) in enumerate(JUDGEMENTS, 1):
        queries[f"q{number}"] = query
        for quote in quotes:
            found = [key for key, text in texts.items() if quote in text]
            if len(found) == 1:
                qrels.setdefault(split, []).append(f"q{number}\t{found[0]}\t1\n")
            else:
                detail = f"{len(found)} passages hold {quote!r}"
                drops.append(Drop("corpus", "unresolved-judgement", query_id=f"q{number}", detail=detail))
    with (folder / "queries.jsonl").open("w", encoding="utf-8") as file:
        for query_id, query in queries.items():
            file.write(json.dumps({"_id": query_id, "text": query}, ensure_ascii=False) + "\n")
    (folder / "qrels").mkdir()
    for split, lines in qrels.items():
        (folder / "qrels" / f"{split}.tsv").write_text(
            "query-id\tcorpus-id\tscore\n" + "".join(lines), encoding="utf-8", newline="\n"
        )
    return drops


def passages(topics: Mapping[str, str] | None = None) -> list[Document]:
    """Cut the topics (None: this Python's) into passages, by topic name, numbered from 1 within each.

    The topics repeat each other (`compound` holds `if`, `for`, `while`...): a block stays in the shortest topic only.
    """
    seen: set[str] = set()
    documents: dict[str, list[Document]] = {}
    for topic, text in sorted(
        (_topics() if topics is None else topics).items(), key=lambda item: (len(item[1]), item[0])
    ):
        groups = []
        sections = list(_sections(text))
        for heading, blocks in sections:
            fresh = [block for block in blocks if block.text not in seen]
            if len(fresh) == len(blocks) or sum(len(block.text.split()) for block in fresh) >= _TAIL_WORDS:
                groups += [(heading, group) for group in _groups(fresh)]
        # Only now, and only what is a sentence: a topic may repeat itself, e.g. a signature.
        seen.update(block.text for _, blocks in sections for block in blocks if len(block.text.split()) > 3)
        documents[topic] = [
            Document(f"{topic}-{number}", heading, "\n".join(block.text for block in group))
            for number, (heading, group) in enumerate(groups, 1)
        ]
    return [document for topic in sorted(documents) for document in documents[topic]]


def _topics() -> dict[str, str]:
    from pydoc_data.topics import topics

    return dict(topics)


def _sections(text: str) -> Iterator[tuple[str, list[_Block]]]:
    """Title ("topic: section") and blocks of every section; footnotes are left out."""
    first = title = ""
    blocks: list[_Block] = []
    for block in _blocks(text):
        if not block.heading:
            blocks.append(block)
            continue
        if blocks and title != _FOOTNOTES:
            yield title, blocks
        first = first or block.text
        title, blocks = block.text if block.text in (first, _FOOTNOTES) else f"{first}: {block.text}", []
    if blocks and title != _FOOTNOTES:
        yield title, blocks


def _blocks(text: str) -> Iterator[_Block]:
    """Headings, prose in one line, code and tables as they stand. "See also" boxes and rules are left out."""
    before = _Block("")
    before_indent, before_code = 0, False
    box: int | None = None
    for chunk in re.split(r"\n\s*\n", text.strip("\n")):
        lines = chunk.split("\n")
        indent = _indent(lines[0])
        if box is not None and indent > box:
            continue
        box = indent if chunk.strip() == "See also:" else None
        if chunk.lstrip().startswith("See also:") or _UNDERLINE.fullmatch(chunk):
            continue
        code = False
        if chunk.strip() == "-[ Footnotes ]-":
            block = _Block(_FOOTNOTES, heading=True)
        elif len(lines) >= 2 and _UNDERLINE.fullmatch(lines[1]) and len(lines[1]) >= len(lines[0]):
            block = _Block(_plain(lines[0]).replace('"', ""), heading=True)
            if lines[2:]:
                yield block
                block = _Block(_plain(_joined(lines[2:])))
        elif lines[0].lstrip().startswith("+-"):
            block = _Block(_plain(_table([line.strip() for line in lines])), glued=True)
        else:
            sentence = chunk.endswith(".") or bool(_ITEM.match(chunk))
            inside = indent > before_indent and not before.signature and not before.text.endswith(".")
            more = before_code and indent >= before_indent
            code = bool(indent) and (_looks_like_code(chunk) or ((inside or more) and not sentence))
            block = _Block(chunk, glued=True) if code else _prose(lines)
        yield block
        before, before_indent, before_code = block, indent, code


def _prose(lines: list[str]) -> _Block:
    text = _joined(lines)
    term = not _indent(lines[0]) and not _ITEM.match(lines[0])
    if len(lines) > 1 and term and all(_indent(line) >= 3 for line in lines[1:]):
        text = f"{lines[0]}\n{_joined(lines[1:])}"  # with its definition
    signature = (
        len(lines) < 9 and not text.endswith((".", ":")) and all(_SIGNATURE.match(line.strip()) for line in lines)
    )
    return _Block(_plain(text), signature=signature or text in ("Note:", "Warning:"))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _looks_like_code(chunk: str) -> bool:
    if chunk.lstrip().startswith(">>>") or "::=" in chunk:
        return True
    marks = sum(chunk.count(mark) for mark in (" = ", "()", "):", "import ", "return ", ">>>", " #"))
    return marks * 8 >= len(chunk.split()) and not chunk.rstrip().endswith(".")


def _joined(lines: list[str]) -> str:
    """Unwrap; a list's items keep lines of their own."""
    text = ""
    for line in lines:
        item = bool(_ITEM.match(line))
        hyphen = len(text) > 1 and text[-1] == "-" and text[-2].isalpha()
        text += ("\n" if item and text else " " if text and not hyphen else "") + re.sub(r"^\* ", "- ", line.strip())
    return text


def _table(lines: list[str]) -> str:
    """A row a line, its cells joined by a colon."""
    rows: list[list[str]] = [[]]
    for line in lines:
        if line.startswith(("+", "|=")):
            rows.append([])
        elif line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r" \|(?: |$)", line[2:])][:-1]
            old = rows[-1] or [""] * len(cells)
            rows[-1] = [f"{a} {b}".strip() for a, b in zip(old, cells, strict=False)]
    return "\n".join(": ".join(cell for cell in row if cell) for row in rows if any(row))


def _plain(text: str) -> str:
    return _FOOTNOTE.sub("", _EMPHASIS.sub(r"\1", text))


def _groups(blocks: list[_Block]) -> list[list[_Block]]:
    """Join blocks into passages; a signature goes with what follows, code and tables with what stands before."""
    groups: list[list[_Block]] = []
    words = 0
    for block in blocks:
        size = len(block.text.split())
        full = words >= _MIN_WORDS and (
            block.signature or words + size > _MAX_WORDS or 2 * words >= _MIN_WORDS + _MAX_WORDS
        )
        if not groups or (full and not block.glued and not groups[-1][-1].signature):
            groups.append([])
            words = 0
        groups[-1].append(block)
        words += size
    if len(groups) > 1 and words < _TAIL_WORDS:
        groups[-2:] = [groups[-2] + groups[-1]]
    return groups
