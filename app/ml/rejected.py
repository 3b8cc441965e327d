"""The rows that a table's validation left out, each with its number and why; as CSV to download.

Cells are written so that a spreadsheet shows them and never computes them: a
text that begins like a formula gets an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from app.ml.reading import Table
from app.ml.values import MISSING, number

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rejected_csv(table: Table, target: int) -> Iterator[str]:
    """Lines of CSV: `row` (counted from 1 after the header), `reason`, and the cells."""
    yield line(["row", "reason", *table.columns])
    width = len(table.columns)
    for number_, row in table.numbered_rows():
        if len(row) != width:
            yield line([str(number_), f"{len(row)} cells instead of {width}", *row])
        elif rule := table.rules.broken([cell.strip() for cell in row]):
            yield line([str(number_), f"breaks the rule: {rule}", *row])
        elif row[target].strip() in MISSING:
            yield line([str(number_), "no target", *row])


def line(cells: Sequence[str]) -> str:
    """One line of CSV, with cells that stay text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([as_text(cell) for cell in cells])
    return out.getvalue()


def as_text(cell: str) -> str:
    """The cell, made harmless for a spreadsheet: numbers stay as they are."""
    if cell.startswith(FORMULA) and number(cell) is None and cell not in MISSING:
        return f"'{cell}"
    return cell
