"""The audit log as a file: CSV for a spreadsheet, JSON lines for a program. Pure.

A spreadsheet runs a cell that begins like a formula, and actors, targets and
reasons hold what people typed: such a cell gets an apostrophe before it. JSON
lines hold every value as it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.store.columns import to_json

COLUMNS = ("id", "at", "actor", "action", "target", "before", "after", "details")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
FORMATS = ("csv", "jsonl")


def lines(rows: Iterable[Mapping[str, Any]], format: str) -> Iterator[str]:
    """The file's lines, each with its end."""
    if format == "jsonl":
        for row in rows:
            yield to_json({column: row[column] for column in COLUMNS}) + "\n"
        return
    yield _line(COLUMNS)
    for row in rows:
        yield _line([_cell(row[column]) for column in COLUMNS])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else to_json(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
