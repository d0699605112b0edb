"""Read JSONL, Parquet, CSV and TSV as blocks of Arrow rows, in bounded memory, with the place of every row.

JSON lines are parsed by pyarrow, a block at a time. A block that it can't parse, or that holds anything unusual, is
read again by the standard library, which either yields the rows or names the line.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from hnhub.errors import InputError

__all__ = ["Block", "Column", "read_blocks"]

_BLOCK_BYTES = 8 << 20
_BLOCK_ROWS = 16_384


@dataclass(frozen=True)
class Column:
    """A column that is wanted: its own name, the names that it may have in a file, and whether it may be absent."""

    name: str
    accepted: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True)
class Block:
    """Some rows of a file: string columns by `Column.name`, nulls where a value is absent."""

    path: Path
    rows: pa.Table
    unit: str
    """`line` or `row`: what `numbers` count, from 1."""
    numbers: Sequence[int]

    def place(self, row: int) -> str:
        """Where a row of this block stands, for an error message."""
        return f"{self.path}: {self.unit} {self.numbers[row]}"


def read_blocks(path: Path, columns: Sequence[Column]) -> Iterator[Block]:
    """Yield the file's rows in their order.

    Raises InputError, naming the line or row, for a file that is missing, broken or lacks a column.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file", do="check the path")
    name = path.name.removesuffix(".gz")
    try:
        if name.endswith(".parquet"):
            yield from _parquet(path, columns)
        elif name.endswith(".jsonl"):
            yield from _jsonl(path, columns)
        else:
            yield from _delimited(path, columns, tabs=name.endswith(".tsv"))
    except (OSError, EOFError) as error:  # gzip raises both for a damaged file
        raise InputError(f"{path}: can't be read ({error})", do="fetch or write it again") from error


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.name.endswith(".gz") else path.open("rb")


def _choose(path: Path, columns: Sequence[Column], present: Iterable[str]) -> dict[str, str | None]:
    """Column name -> the file's name for it."""
    names = list(present)
    chosen: dict[str, str | None] = {}
    for column in columns:
        chosen[column.name] = next((name for name in column.accepted if name in names), None)
        if chosen[column.name] is None and not column.optional:
            raise InputError(
                f"{path}: wrong columns: none of {', '.join(column.accepted)} among {', '.join(names) or 'no columns'}",
                do="rename the column, or map it in columns.toml beside the file (docs/corpora.md)",
            )
    return chosen


def _table(values: Mapping[str, Sequence[str | None]]) -> pa.Table:
    return pa.table({name: pa.array(column, pa.large_string()) for name, column in values.items()})


# --- JSON lines


def _jsonl(path: Path, columns: Sequence[Column]) -> Iterator[Block]:
    chosen: Mapping[str, str | None] | None = None
    first = 1
    with _open(path) as file:
        while data := file.read(_BLOCK_BYTES):
            data += file.readline()
            lines = data.count(b"\n") + (not data.endswith(b"\n"))
            if chosen is None and data.strip():
                chosen = _choose(path, columns, _first_keys(path, data))
                # An optional key may appear further down only.
                chosen = {column.name: chosen[column.name] or column.accepted[0] for column in columns}
            if chosen is not None:
                rows = _parse(data, lines, chosen)
                if rows is not None:
                    yield Block(path, rows, "line", range(first, first + lines))
                else:
                    yield _parse_slowly(path, data, first, columns, chosen)
            first += lines


def _first_keys(path: Path, data: bytes) -> list[str]:
    for number, line in enumerate(io.BytesIO(data), 1):
        if line.strip():
            return list(_object(path, number, line))
    return []


def _parse(data: bytes, lines: int, chosen: Mapping[str, str | None]) -> pa.Table | None:
    """The block by pyarrow; None if it needs a closer look."""
    schema = pa.schema([(key, pa.large_string()) for key in dict.fromkeys(chosen.values()) if key is not None])
    try:
        table = pyarrow.json.read_json(
            io.BytesIO(data),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
        table.validate(full=True)  # it takes bytes that are no UTF-8
    except pa.ArrowInvalid:
        return None
    if table.num_rows != lines:
        return None
    nulls = pa.nulls(lines, pa.large_string())
    return pa.table({name: table[key] if key is not None else nulls for name, key in chosen.items()})


def _parse_slowly(
    path: Path, data: bytes, first: int, columns: Sequence[Column], chosen: Mapping[str, str | None]
) -> Block:
    numbers: list[int] = []
    values: dict[str, list[str | None]] = {column.name: [] for column in columns}
    for number, line in enumerate(io.BytesIO(data), first):
        if not line.strip():
            continue
        item = _object(path, number, line)
        numbers.append(number)
        for column in columns:
            value = item.get(chosen[column.name] or "")
            values[column.name].append(_string(value, f"{path}: line {number}", column.name))
    return Block(path, _table(values), "line", numbers)


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except ValueError as error:  # bad JSON and bad UTF-8
        raise InputError(f"{path}: line {number}: is not JSON ({error})", do="mend the line") from error
    except RecursionError as error:
        raise InputError(f"{path}: line {number}: is nested too deeply", do="mend the line") from error
    if not isinstance(item, dict):
        raise InputError(
            f"{path}: line {number}: is not a JSON object", do='write lines like {"_id": "1", "text": "..."}'
        )
    return item


def _string(value: object, place: str, name: str) -> str | None:
    if value is None or (isinstance(value, str) and value.isascii()):
        return value
    if isinstance(value, (bool, dict, list)):
        raise InputError(f"{place}: {name} is not text", do="write it as a string")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: {name} holds half a surrogate pair", do="mend the text") from error
    return text


# --- Parquet


def _parquet(path: Path, columns: Sequence[Column]) -> Iterator[Block]:
    try:
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
            chosen = _choose(path, columns, file.schema_arrow.names)
            for name, key in chosen.items():
                if key is not None and pa.types.is_nested(file.schema_arrow.field(key).type):
                    raise InputError(f"{path}: column {key} is not text", do=f"give {name} as strings")
            first = 1
            wanted = [key for key in chosen.values() if key is not None]
            for batch in file.iter_batches(_BLOCK_ROWS, columns=wanted, use_threads=False):
                nulls = pa.nulls(batch.num_rows, pa.large_string())
                rows = {
                    name: batch.column(key).cast(pa.large_string()) if key is not None else nulls
                    for name, key in chosen.items()
                }
                yield Block(path, pa.table(rows), "row", range(first, first + batch.num_rows))
                first += batch.num_rows
    except pa.ArrowException as error:
        raise InputError(f"{path}: can't be read as Parquet ({error})", do="fetch or write it again") from error


# --- CSV and TSV


def _delimited(path: Path, columns: Sequence[Column], *, tabs: bool) -> Iterator[Block]:
    newline = "\n" if tabs else ""
    with _open(path) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline=newline) as file:
        cells = _tab_cells(file) if tabs else _csv_cells(path, file)
        try:
            yield from _delimited_blocks(path, columns, cells)
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: is not UTF-8 ({error})", do="write it as UTF-8") from error


def _tab_cells(file: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    """BEIR's TSV knows no quotes."""
    for number, line in enumerate(file, 1):
        yield number, line.rstrip("\r\n").split("\t")


def _csv_cells(path: Path, file: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(2**31 - 1)  # the module's own limit is 128 KiB a cell
    reader = csv.reader(file, strict=True)
    start = 1
    try:
        for cells in reader:
            yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}: line {start}: is not CSV ({error})", do="mend the line") from error


def _delimited_blocks(path: Path, columns: Sequence[Column], cells: Iterator[tuple[int, list[str]]]) -> Iterator[Block]:
    header = next(cells, (1, []))[1]
    chosen = _choose(path, columns, header)
    places = {name: header.index(key) for name, key in chosen.items() if key is not None}
    numbers: list[int] = []
    values: dict[str, list[str | None]] = {column.name: [] for column in columns}
    size = 0
    for number, row in cells:
        if not any(row):
            continue
        if len(row) != len(header):
            raise InputError(f"{path}: line {number}: has {len(row)} columns, not {len(header)}", do="mend the line")
        numbers.append(number)
        for name, column in values.items():
            column.append(row[places[name]] if name in places else None)
        size += sum(map(len, row))
        if len(numbers) == _BLOCK_ROWS or size > _BLOCK_BYTES:
            yield Block(path, _table(values), "line", numbers)
            numbers, values, size = [], {column.name: [] for column in columns}, 0
    if numbers:
        yield Block(path, _table(values), "line", numbers)
