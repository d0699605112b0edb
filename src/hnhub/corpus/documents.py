"""A folder of documents as a corpus: read, cut into chunks at headings and sentences, one chunk a document of the corpus.

A chunk's id is `<file>#<n>`, so the ids of a file stay whatever is added beside it, and chunks of one file know each
other (`hnhub.records.parent_of`).
"""

import itertools
import json
import logging
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hnhub.errors import InputError, MissingExtra, UsageError
from hnhub.records import Document, Drop, parent_of

__all__ = [
    "CUT_VERSION",
    "Chunking",
    "chunk_document",
    "chunking_of",
    "files",
    "holds_documents",
    "several_files",
    "tokens",
    "write",
]

log = logging.getLogger(__name__)

CUT_VERSION = 2
"""Raise it when the same documents would give other chunks."""

_PLAIN = (".txt", ".text", ".md", ".markdown")
_HTML = (".html", ".htm", ".xhtml")
CONVERTED = (".pdf", ".docx", ".pptx", ".xlsx", ".xls", ".epub", ".ipynb")
"""What markitdown turns into Markdown (extra `documents`)."""

# A word, a mark, or one letter of a script that is written without spaces.
_TOKEN = re.compile(r"[぀-ヿ㐀-鿿가-힯฀-໿ក-៿]|[^\W_]+|[^\w\s]|_+")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*")
_SLIDE = re.compile(r"^<!-- Slide number: \d+ -->\n?", re.MULTILINE)
_FENCE = re.compile(r"\s*(```|~~~)")


@dataclass(frozen=True)
class Chunking:
    """How documents are cut."""

    tokens: int = 256
    """The longest chunk, in words and marks (`tokens`): about 1.3 times as many for most models' tokenisers."""
    overlap: float = 0.0
    """Share of a chunk that the next one of the same section repeats."""

    def __post_init__(self) -> None:
        """Raise UsageError for sizes that cut nothing."""
        if self.tokens < 16:
            raise UsageError(f"chunks of {self.tokens} tokens hold no passage", do="give --chunk-tokens 16 or more")
        if not 0 <= self.overlap <= 0.5:
            raise UsageError(
                f"an overlap of {self.overlap:g} repeats too much", do="give --chunk-overlap from 0 to 0.5"
            )


def chunking_of(tokens: int | None, overlap: float | None) -> Chunking | None:
    """How documents are cut as options say it; None if they say nothing. Raises UsageError as `Chunking`."""
    given = {name: value for name, value in (("tokens", tokens), ("overlap", overlap)) if value is not None}
    return Chunking(**given) if given else None  # type: ignore[arg-type]


def tokens(text: str) -> int:
    """Words and marks of a text; in scripts without spaces every letter counts."""
    return sum(1 for _ in _TOKEN.finditer(text))


def files(folder: Path) -> list[Path]:
    """Every file below the folder but hidden ones, by its path. Raises InputError for a name that is no Unicode, and so no id."""
    found = (path for path in folder.rglob("*") if path.is_file())
    visible = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    for path in visible:
        try:
            str(path.relative_to(folder)).encode()
        except UnicodeEncodeError as error:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            raise InputError(f"{shown}: the file's name is not UTF-8", do="rename it") from error
    return sorted(visible, key=lambda path: path.relative_to(folder).as_posix())


def holds_documents(folder: Path) -> bool:
    """True if a file of the folder is one that can be cut into chunks."""
    return any(path.suffix.lower() in (*_PLAIN, *_HTML, *CONVERTED) for path in files(folder))


def write(place: Path, folder: Path, chunking: Chunking) -> list[Drop]:
    """Write the chunks of every document below `folder` as `place`/corpus.jsonl; return the files that gave none.

    How many are of which kind that is not read is warned of.

    Raises InputError for a file that can't be read, MissingExtra for one that needs the extra `documents`.
    """
    drops = []
    with (place / "corpus.jsonl").open("w", encoding="utf-8") as out:
        for path in files(folder):
            name = path.relative_to(folder).as_posix()
            text = _read(path)
            if text is None:
                drops.append(Drop("corpus", "unknown_format", document_id=name, detail=path.suffix or "no suffix"))
                continue
            chunks = chunk_document(name, text, chunking)
            if not chunks:
                drops.append(Drop("corpus", "empty", document_id=name, detail="no text"))
            for chunk in chunks:
                row = asdict(chunk)
                row["_id"] = row.pop("document_id")
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
    kinds = Counter((drop.detail or "").lower() for drop in drops if drop.reason == "unknown_format")
    if kinds:
        told = ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items()))
        log.warning("%s: files of kinds that are not read are passed over: %s", folder, told)
    return drops


def several_files(document_ids: Iterable[str]) -> bool:
    """True if chunks are of more than one file: only then does it mean something that two are of the same."""
    parents = map(parent_of, document_ids)
    first = next(parents, None)
    return any(parent != first for parent in parents)


def chunk_document(name: str, text: str, chunking: Chunking, title: str | None = None) -> list[Document]:
    """Cut a document (plain text or Markdown) into chunks of at most `chunking.tokens` tokens, in order.

    Sections that fit together share a chunk; a longer section is cut by semchunk, at paragraphs, sentences, clauses. The
    title is the path of headings that stands over the whole chunk, else `title`, by default the file's name; headings below
    it stand in the text, each with what follows it. Ids are `<name>#<n>`, from 1.
    """
    parts: list[_Part] = []
    cut = False
    for unit in _units(text):
        joined = _join(parts[-1], unit) if parts and not cut else None
        if joined and joined.size <= chunking.tokens:
            parts[-1] = joined
        else:
            cut = unit.size > chunking.tokens
            parts += _pieces(unit, chunking) if cut else [unit]
    plain = re.sub(r"[-_]+", " ", Path(name).stem).strip() if title is None else title
    texts = [(": ".join(map(_title, part.over)) or plain, part.text) for part in parts]
    return [Document(f"{name}#{number}", heading, piece) for number, (heading, piece) in enumerate(texts, 1)]


_Path = tuple[tuple[int, str], ...]
"""Headings from the outermost: the line each stands in, so that two of one wording are two, and its words."""


@dataclass(frozen=True)
class _Part:
    """Sections that follow one another."""

    first: _Path
    last: _Path
    """Headings over its first and its last section."""
    over: _Path
    """Those over all of them."""
    body: tuple[str, ...]
    """Texts, and the headings between them."""
    body_size: int
    """Its tokens."""

    @property
    def lead(self) -> _Path:
        """The headings to show before the body."""
        return self.first[len(self.over) :] or (() if self.body else self.first[-1:])

    @property
    def size(self) -> int:
        """Tokens of the text."""
        return self.body_size + sum(tokens(_title(heading)) for heading in self.lead)

    @property
    def text(self) -> str:
        return "\n\n".join([*map(_title, self.lead), *self.body])


def _join(one: _Part, other: _Part) -> _Part:
    between = [_title(heading) for heading in other.first[len(_common(one.last, other.first)) :]]
    size = one.body_size + sum(map(tokens, between)) + other.body_size
    return _Part(one.first, other.last, _common(one.over, other.over), (*one.body, *between, *other.body), size)


def _pieces(unit: _Part, chunking: Chunking) -> list[_Part]:
    """What is too long for a chunk, cut. Headings that nothing stands under go before its first piece."""
    from semchunk.semchunk import chunkerify

    def cut(text: str, size: int) -> list[str]:
        pieces = chunkerify(tokens, size, memoize=False)(text, overlap=chunking.overlap or None)
        return [piece.strip() for piece in map(str, pieces) if piece.strip()]

    *before, body = unit.body or ("",)
    lead = "\n\n".join([*map(_title, unit.lead), *before])
    room = chunking.tokens - tokens(lead)
    alone = room < chunking.tokens / 2  # headings as long as a chunk, which no text is cut short for
    found = [(unit.over, piece) for piece in cut(lead, chunking.tokens)] if alone else []
    pieces = cut(body, chunking.tokens if alone else room)
    if lead and not alone and pieces:
        found.append((unit.over, f"{lead}\n\n{pieces.pop(0)}"))
    found += [(unit.last, piece) for piece in pieces]
    return [_Part(path, path, path, (piece,), tokens(piece)) for path, piece in found]


def _units(text: str) -> Iterator[_Part]:
    """What is not parted: a section, and the headings before it that have neither text nor sections of their own."""
    held: _Part | None = None
    for path, body in _sections(text):
        section = _Part(path, path, path, (body,) if body else (), tokens(body))
        held = _join(held, section) if held else section
        if body:
            yield held
            held = None
    if held:
        yield held


def _sections(text: str) -> Iterator[tuple[_Path, str]]:
    """The headings over a section, and its text, which is empty only where no section stands under the last heading either.

    Headings inside fenced code are code.
    """
    path: list[tuple[int, tuple[int, str]]] = []
    lines, fenced = list[str](), False
    for number, line in enumerate(text.splitlines()):
        fenced ^= bool(_FENCE.match(line))
        found = None if fenced else _HEADING.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        if not (words := _plain(found[2])):
            continue
        level, body = len(found[1]), "\n".join(lines).strip()
        if body or (path and path[-1][0] >= level):
            yield tuple(heading for _, heading in path), body
        path = [*((above, heading) for above, heading in path if above < level), (level, (number, words))]
        lines = []
    body = "\n".join(lines).strip()
    if body or path:
        yield tuple(heading for _, heading in path), body


def _title(heading: tuple[int, str]) -> str:
    return heading[1]


def _plain(heading: str) -> str:
    """Without the marks of links, emphasis and code."""
    return re.sub(r"[*`]", "", re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip()


def _common(one: _Path, other: _Path) -> _Path:
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return tuple(heading for heading, _ in same)


def _read(path: Path) -> str | None:
    """A file as plain text or Markdown; None for a kind that holds no text."""
    suffix = path.suffix.lower()
    if suffix in CONVERTED:
        return _converted(path)
    if suffix not in (*_PLAIN, *_HTML):
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read as UTF-8 text ({error})", do="convert or delete it") from error
    return _from_html(text) if suffix in _HTML else text


def _from_html(text: str) -> str:
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    page = BeautifulSoup(text, "html.parser")
    for unread in page(["script", "style", "nav", "template", "noscript", "head"]):
        unread.decompose()
    body = page.find("main") or page.body or page
    return str(MarkdownConverter(heading_style="ATX", strip=["a", "img"]).convert_soup(body))


def _converted(path: Path) -> str:
    try:
        from markitdown import FileConversionException, MarkItDown, MissingDependencyException, converters
    except ImportError as error:
        raise MissingExtra(f"markitdown, which {path.name} needs,", extra="documents") from error
    reader = MarkItDown(enable_builtins=False)  # which would read a broken PDF as plain text
    for name in ("Pdf", "Docx", "Pptx", "Xlsx", "Xls", "Epub", "Ipynb"):
        reader.register_converter(getattr(converters, f"{name}Converter")())
    try:
        with warnings.catch_warnings(action="ignore"):  # of parsers to those who call them
            text = _SLIDE.sub("", str(reader.convert_local(path).markdown))
    except Exception as error:  # its converters raise whatever their parsers raise
        attempts = (error.attempts if isinstance(error, FileConversionException) else None) or []
        cause = next((attempt.exc_info[1] for attempt in attempts if attempt.exc_info), error)
        kind = path.suffix[1:].upper()
        if isinstance(cause, MissingDependencyException):
            raise MissingExtra(f"{path}: what reads {kind}", extra="documents") from error
        reason = (str(cause).splitlines() or [""])[0] or type(cause).__name__
        raise InputError(f"{path}: can't be read as {kind} ({reason})", do="mend or delete it") from error
    # Halves of characters, which some PDFs' tables of glyphs hold, are nothing that can be written.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
