"""A bounded sample of what streams by: each item as likely as any other, the same every time.

Items are kept by chance until there are too many; then half of them go, and
only half as many of the later ones are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SEED = 20260102


class _Chance:
    """Decides who stays. Made at its first use: a wide table has thousands of samples."""

    def __init__(self) -> None:
        self.share = 1.0
        self._random: np.random.Generator | None = None

    def mask(self, count: int, share: float) -> np.ndarray:
        if self._random is None:
            self._random = np.random.default_rng(SEED)
        return self._random.random(count) < share


class NumberSample:
    """At most `limit` of the numbers that were added."""

    def __init__(self, limit: int):
        self._limit = limit
        self._chance = _Chance()
        self._parts: list[np.ndarray] = []
        self._size = 0

    def add(self, values: np.ndarray) -> None:
        chance = self._chance
        if chance.share < 1:
            values = values[chance.mask(len(values), chance.share)]
        self._parts.append(values)
        self._size += len(values)
        while self._size > self._limit:
            every = self.values
            kept = every[chance.mask(len(every), 0.5)]
            self._parts, self._size = [kept], len(kept)
            chance.share /= 2

    @property
    def values(self) -> np.ndarray:
        return np.concatenate(self._parts) if self._parts else np.empty(0)


class RowSample:
    """At most `limit` of the rows that were added, in their order."""

    def __init__(self, limit: int):
        self.rows: list[Sequence[str]] = []
        self._limit = limit
        self._chance = _Chance()

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        chance = self._chance
        if chance.share < 1:
            rows = [rows[int(i)] for i in np.flatnonzero(chance.mask(len(rows), chance.share))]
        self.rows.extend(rows)
        while len(self.rows) > self._limit:
            mask = chance.mask(len(self.rows), 0.5)
            self.rows = [self.rows[i] for i in np.flatnonzero(mask)]
            chance.share /= 2
