"""The rows that a table's validation left out, each with its number and why; as CSV to download."""

from __future__ import annotations

from collections.abc import Iterator

from app.ml.reading import Table
from app.ml.values import MISSING
from app.spreadsheet import line


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
