"""One pass over a table: a profile of each column, repeated rows, and a sample of rows.

In bounded memory: a wide table's columns remember less each.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.ml.duplicates import Duplicates
from app.ml.profile import (
    DISTINCT_BUDGET,
    DISTINCT_LIMIT,
    SAMPLE_BUDGET,
    SAMPLE_LIMIT,
    ColumnProfile,
)
from app.ml.reading import Table
from app.ml.sampling import RowSample
from app.ml.watching import Watch, nobody

SAMPLE_ROWS = 4000
SAMPLE_CELLS = 800_000
"""Of rows that are remembered whole, to look for leakage."""


@dataclass(frozen=True)
class Seen:
    """What one pass over a table found."""

    columns: list[ColumnProfile]
    duplicates: Duplicates
    sample: RowSample


def look(table: Table, watch: Watch = nobody, what: str = "reading the table") -> Seen:
    """One pass over the table."""
    wide = len(table.columns)
    limit = max(300, min(DISTINCT_LIMIT, DISTINCT_BUDGET // wide))
    numbers = max(256, min(SAMPLE_LIMIT, SAMPLE_BUDGET // wide))
    decimal = table.dialect.decimal
    columns = [ColumnProfile(name, decimal, limit, numbers) for name in table.columns]
    seen = Seen(columns, Duplicates(), RowSample(min(SAMPLE_ROWS, max(50, SAMPLE_CELLS // wide))))
    for chunk in table.told(watch, what):
        for column, cells in zip(columns, chunk.columns, strict=True):
            column.update(cells)
        seen.duplicates.add(chunk.columns)
        seen.sample.add(chunk)
    return seen
