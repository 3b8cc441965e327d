"""What a column holds, learned in one pass over its cells and in bounded memory.

Numbers are summed up exactly; distinct values are counted up to a limit and
are "at least" that many beyond it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np

from app.ml.dates import recognised
from app.ml.sampling import NumberSample
from app.ml.values import MISSING, numbers

DISTINCT_LIMIT = 10_000
DISTINCT_BUDGET = 2_000_000
"""Distinct values remembered over all columns of a table."""
SAMPLE_LIMIT = 20_000
SAMPLE_BUDGET = 4_000_000
"""Numbers remembered over all columns of a table."""
NUMERIC_SHARE = 0.95
"""Of a column's values are numbers: then it is one of numbers, and the others are missing."""
ODD_LIMIT = 100
"""Different texts remembered of those that are no numbers."""
HISTOGRAM_BINS = 20
HISTOGRAM_BARS = 12
EXAMPLE_LENGTH = 80
KEY_LENGTH = 200


class ColumnProfile:
    """Counts of one column. `update` takes its stripped cells in chunks."""

    def __init__(
        self,
        name: str,
        decimal: str = ".",
        limit: int = DISTINCT_LIMIT,
        sample: int = SAMPLE_LIMIT,
    ):
        self.name = name
        self.rows = self.missing = self.numeric = self.fractional = 0
        self.lowest, self.highest = math.inf, -math.inf
        self.total = self.squares = 0.0
        self.values: Counter[str] = Counter()
        self.overflowed = False
        self.odd: str | None = None
        self.odds: set[str] | None = set()
        self.counting = True
        self.sample = NumberSample(sample)
        self._last: float | None = None
        self._decimal = decimal
        self._limit = limit
        self._shift: float | None = None

    def update(self, cells: Sequence[str]) -> None:
        self.rows += len(cells)
        present = cells
        if not MISSING.isdisjoint(cells):
            present = [cell for cell in cells if cell not in MISSING]
            self.missing += len(cells) - len(present)
        if not present:
            return
        found = numbers(present, self._decimal)
        odd = np.isnan(found)
        if odd.any():
            if self.odd is None:
                self.odd = present[int(odd.argmax())][:EXAMPLE_LENGTH]
            self._remember_odd(compress(present, odd.tolist()))
            found = found[~odd]
        self._count_numbers(found)
        # Of a column of many different numbers only those numbers matter.
        if not (self.overflowed and self.odd is None):
            self._remember(Counter(present))

    def _remember_odd(self, cells: Iterable[str]) -> None:
        """The texts that are no numbers; None once there are too many, or one is too long."""
        if self.odds is not None:
            self.odds.update(cells)
            if len(self.odds) > ODD_LIMIT or max(map(len, self.odds)) > KEY_LENGTH:
                self.odds = None

    def _remember(self, counted: Counter[str]) -> None:
        if max(map(len, counted)) > KEY_LENGTH:
            shortened: Counter[str] = Counter()
            for cell, times in counted.items():
                shortened[cell[:KEY_LENGTH]] += times
            counted = shortened
        if len(self.values) + len(counted) <= self._limit:
            self.values.update(counted)
            return
        for cell, times in counted.items():
            if cell in self.values or len(self.values) < self._limit:
                self.values[cell] += times
            else:
                self.overflowed = True

    def _count_numbers(self, found: np.ndarray) -> None:
        if not len(found):
            return
        self.numeric += len(found)
        self.sample.add(found)
        if self.counting:
            steps = np.diff(found, prepend=found[0] - 1 if self._last is None else self._last)
            self.counting, self._last = bool((steps == 1).all()), float(found[-1])
        self.lowest = min(self.lowest, float(found.min()))
        self.highest = max(self.highest, float(found.max()))
        self.fractional += int((found != np.trunc(found)).sum())
        # Sums around the first value, so that large offsets don't eat the variance.
        if self._shift is None:
            self._shift = float(found[0])
        around = found - self._shift
        self.total += float(around.sum())
        self.squares += float((around * around).sum())

    @property
    def present(self) -> int:
        return self.rows - self.missing

    @property
    def distinct(self) -> int:
        return len(self.values)

    @property
    def is_number(self) -> bool:
        return self.numeric > 0 and self.numeric >= NUMERIC_SHARE * self.present

    @cached_property
    def date_form(self) -> str | None:
        """The format of dates that nearly all values have; asked once all cells were seen."""
        return recognised(self.values) if self.present else None

    @property
    def numbers_rows(self) -> bool:
        """Every row has the number after the one before it, as an identifier does."""
        return self.counting and self.numeric == self.rows and self.rows > 20

    @property
    def numbers_each_row(self) -> bool:
        """Whole numbers, and hardly one of them twice: beyond the limit, as far as that is known."""
        if self.numeric < max(20, self.present) or self.fractional:
            return False
        return self.numbers_rows or self.overflowed or self.distinct > 0.95 * self.present

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
            found["histogram"] = self.histogram()
        elif self.values:
            found["bars"] = [times for _, times in self.values.most_common(HISTOGRAM_BARS)]
        if note:
            found["note"] = note
        return found

    def histogram(self) -> list[int]:
        """How many of a sample of the numbers are in each of 20 bins from `min` to `max`."""
        if self.lowest == self.highest:
            return [len(self.sample.values)]
        counts, _ = np.histogram(
            self.sample.values, HISTOGRAM_BINS, range=(self.lowest, self.highest)
        )
        return [int(n) for n in counts]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
