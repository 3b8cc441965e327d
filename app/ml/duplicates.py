"""How many rows of a table occur before, in one pass and in bounded memory.

Rows are told apart by a 64-bit hash. Beyond `MOST` hashes only those that end
in zeros are kept, the same for equal rows, and the count is an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.ml.matrix import row_keys

MOST = 4_000_000
"""32 MB of hashes."""


class Duplicates:
    def __init__(self, most: int = MOST):
        self._most = most
        self._parts: list[np.ndarray] = []
        self._size = 0
        self._rows = 0
        self._bits = 0

    def add(self, columns: Sequence[Sequence[str]]) -> None:
        """Some rows, by column."""
        keys = row_keys(columns)
        self._rows += len(keys)
        self._keep(keys)
        while self._size > self._most:
            every, self._parts, self._size = np.concatenate(self._parts), [], 0
            self._bits += 1
            self._keep(every)

    def _keep(self, keys: np.ndarray) -> None:
        if self._bits:
            keys = keys[keys & np.uint64((1 << self._bits) - 1) == 0]
        self._parts.append(keys)
        self._size += len(keys)

    @property
    def estimated(self) -> bool:
        return self._bits > 0

    @property
    def count(self) -> int:
        """Rows that repeat one before them."""
        if not self._size:
            return 0
        every = np.concatenate(self._parts)
        every.sort()
        repeated = int((every[1:] == every[:-1]).sum())
        return round(repeated / len(every) * self._rows) if self.estimated else repeated
