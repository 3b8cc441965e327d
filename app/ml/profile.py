"""What a column holds, learned in one pass over its cells and in bounded memory.

Numbers are summed up exactly; distinct values are counted up to a limit and
are "at least" that many beyond it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from app.ml.values import MISSING, number

DISTINCT_LIMIT = 10_000
DISTINCT_BUDGET = 2_000_000
"""Distinct values remembered over all columns of a table."""
EXAMPLE_LENGTH = 80
KEY_LENGTH = 200


class ColumnProfile:
    """Counts of one column. `update` takes its stripped cells in chunks."""

    def __init__(self, name: str, decimal: str = ".", limit: int = DISTINCT_LIMIT):
        self.name = name
        self.rows = self.missing = self.numeric = self.fractional = 0
        self.lowest, self.highest = math.inf, -math.inf
        self.total = self.squares = 0.0
        self.values: Counter[str] = Counter()
        self.overflowed = False
        self.odd: str | None = None
        self._decimal = decimal
        self._limit = limit
        self._shift: float | None = None

    def update(self, cells: Iterable[str]) -> None:
        for cell, times in Counter(cells).items():
            self.rows += times
            if cell in MISSING:
                self.missing += times
                continue
            self._remember(cell, times)
            value = number(cell, self._decimal)
            if value is None:
                self.odd = self.odd or cell[:EXAMPLE_LENGTH]
            else:
                self._count_number(value, times)

    def _remember(self, cell: str, times: int) -> None:
        key = cell[:KEY_LENGTH]
        if key in self.values or len(self.values) < self._limit:
            self.values[key] += times
        else:
            self.overflowed = True

    def _count_number(self, value: float, times: int) -> None:
        self.numeric += times
        self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)
        if value != int(value):
            self.fractional += times
        # Sums around the first value, so that large offsets don't eat the variance.
        if self._shift is None:
            self._shift = value
        self.total += (value - self._shift) * times
        self.squares += (value - self._shift) ** 2 * times

    @property
    def present(self) -> int:
        return self.rows - self.missing

    @property
    def distinct(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float | None:
        return (self._shift or 0.0) + self.total / self.numeric if self.numeric else None

    @property
    def deviation(self) -> float | None:
        if not self.numeric:
            return None
        variance = self.squares / self.numeric - (self.total / self.numeric) ** 2
        return math.sqrt(max(0.0, variance))

    def summary(self, kind: str, note: str | None = None) -> dict[str, Any]:
        """The column as the report shows it; plain JSON values."""
        found: dict[str, Any] = {
            "name": self.name,
            "type": kind,
            "missing": self.missing,
            "distinct": self.distinct,
            "distinct_is_at_least": self.overflowed,
            "common": [
                [value[:EXAMPLE_LENGTH], times] for value, times in self.values.most_common(5)
            ],
        }
        if kind == "number" and self.numeric:
            found |= {
                "min": self.lowest,
                "max": self.highest,
                "mean": _short(self.mean),
                "deviation": _short(self.deviation),
            }
        if note:
            found["note"] = note
        return found


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
