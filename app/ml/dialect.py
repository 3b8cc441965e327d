"""How a file spells a table: encoding, delimiter, decimal sign, header or none; or Parquet.

Detected once, from the whole file for the encoding and from its first part
for the rest, and then kept with the schema, so that training and evaluation
read what validation read.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from app.ml import parquet
from app.ml.encodings import detect_encoding
from app.ml.errors import Unreadable
from app.ml.formats import refuse_other_formats
from app.ml.number_style import Like, number_style
from app.ml.values import MISSING, number

SAMPLE_BYTES = 1 << 18
DELIMITERS = ",;\t|"
LINES_IN_A_CELL = 10
"""At most, where the file ends within a cell: with more, a quote was never closed."""


@dataclass(frozen=True)
class Dialect:
    """What a reader needs to know before it can read a file's rows.

    `rules` are the operator's (see rules.py), so that whoever reads the table leaves out the same
    rows. `decimal` is the decimal sign, followed by the one between thousands where there is one.
    """

    encoding: str
    delimiter: str
    decimal: str
    header: bool
    columns: tuple[str, ...]
    rules: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"columns": list(self.columns), "rules": list(self.rules)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Dialect:
        lists = {"columns": tuple(data["columns"]), "rules": tuple(data.get("rules", ()))}
        return cls(**(data | lists))


def detect(
    stream: BinaryIO,
    *,
    header: bool | None = None,
    target: str | None = None,
    like: Like | None = None,
) -> Dialect:
    """The dialect of the file; `target` helps: a header that has a column of this name is one."""
    if parquet.is_parquet(stream):
        return Dialect(parquet.ENCODING, "", ".", True, _named(parquet.columns_of(stream)))
    encoding = detect_encoding(stream)
    lines = _sample(stream, encoding)
    refuse_other_formats(lines)
    delimiter = _delimiter(lines)
    rows = parse(lines, delimiter)
    if not rows:
        raise Unreadable("The file has no rows. Upload a CSV file with at least 10 rows.")
    if sum(cell.count("\n") for cell in rows[0]) > LINES_IN_A_CELL:
        raise never_closed(1)
    width = Counter(map(len, rows)).most_common(1)[0][0]
    decimal = number_style(rows, delimiter)
    if header is None:
        named = like is None  # a file to score may be one row without names
        header = _looks_like_header(rows, width, decimal, target, named and len(rows) == 1)
    names = rows[0] if header else [f"column_{i}" for i in range(width)]
    if header and not any(names):
        raise Unreadable("The first line should name the columns, and it is blank.")
    columns = _named(names)
    if like is not None:
        decimal = like.style_for(columns, rows[int(header) :], delimiter)
    return Dialect(encoding, delimiter, decimal, header, columns)


def _named(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name or f"column_{i}" for i, name in enumerate(names))


def parse(lines: list[str], delimiter: str) -> list[list[str]]:
    """The lines' cells, stripped; blank lines are left out."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        return [cells for row in reader if any(cells := [cell.strip() for cell in row])]
    except csv.Error as error:
        raise broken(error, reader.line_num) from error


def broken(error: csv.Error, line: int) -> Unreadable:
    said = str(error)
    if "field limit" in said:
        said = f"a cell has more than {csv.field_size_limit():,} characters, which is the most"
    return Unreadable(
        f"The file can't be read as CSV near line {line:,}: {said}. "
        "Often a quote is opened there and never closed: close it, or shorten the cell."
    )


def never_closed(line: int) -> Unreadable:
    return Unreadable(
        f"A quote is opened near line {line:,} and never closed, so that everything behind it is "
        "one cell. Close it, or write it twice where it belongs to the text."
    )


def _sample(stream: BinaryIO, encoding: str) -> list[str]:
    text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
    try:
        sample = text.read(SAMPLE_BYTES)
        whole = not text.read(1)
    finally:
        text.detach()
        stream.seek(0)
    lines = sample.splitlines(keepends=True)
    return lines if whole or len(lines) < 2 else lines[:-1]


def _delimiter(lines: list[str]) -> str:
    """The delimiter that gives the most rows the same width, above one; a comma where none does."""
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        try:
            rows = parse(lines[:500], delimiter)
        except Unreadable:
            continue
        if not rows:
            continue
        width, count = Counter(map(len, rows)).most_common(1)[0]
        head_agrees = len(rows[0]) == width
        score = (count / len(rows) + (0.5 if head_agrees else 0.0), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def _looks_like_header(
    rows: list[list[str]], width: int, decimal: str, target: str | None, alone: bool
) -> bool:
    """Names are filled in, differ, and aren't numbers; and the columns below, if any, look different."""
    first, body = rows[0], [row for row in rows[1:] if len(row) == width]
    if target is not None and target in first and number(target) is None:
        return True
    if len(first) != width or not (body or alone):
        return False
    if any(number(cell, decimal) is not None for cell in first) or len(set(first)) < width:
        return False
    if any(cell in MISSING for cell in first[1:]):
        return False
    for i, name in enumerate(first):
        column = [row[i] for row in body if row[i] not in MISSING]
        numeric = sum(1 for cell in column if number(cell, decimal) is not None)
        if column and numeric > 0.9 * len(column):
            return True
        if name in column:
            return False
    return True
