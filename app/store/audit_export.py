"""The audit log as a file: CSV for a spreadsheet, JSON lines for a program. Pure.

In CSV, what people typed stays text; JSON lines hold every value as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app import spreadsheet
from app.store.columns import to_json

COLUMNS = ("id", "at", "actor", "action", "target", "before", "after", "details", "interface",
           "address", "cause")  # fmt: skip
FORMATS = ("csv", "jsonl")


def lines(rows: Iterable[Mapping[str, Any]], format: str) -> Iterator[str]:
    """The file's lines, each with its end."""
    if format == "jsonl":
        for row in rows:
            yield to_json({column: row[column] for column in COLUMNS}) + "\n"
        return
    yield spreadsheet.line(COLUMNS)
    for row in rows:
        yield spreadsheet.line([_cell(row[column]) for column in COLUMNS])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value)
