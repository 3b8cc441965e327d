"""What of a table of numbered rows is still to be read: each row once, late ones too.

PostgreSQL gives out a number before its row is committed, so a lower one may appear after a higher
one. Numbers that were passed over are looked for again; most of those never come, since a number is
also spent on a row that was there already. Looking for them reads an index, and no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

MOST = 20_000
"""Numbers that are looked for again: the newest."""


class Unread:
    """Rows as `after(number, limit)` and `among(numbers)` give them: pairs of a number and what is there.

    SQLite has one writer at a time, so nothing is late there: no `among` is given.
    """

    def __init__(
        self,
        number: int,
        after: Callable[[int, int], Sequence[Any]],
        among: Callable[[Sequence[int]], Sequence[Any]] | None,
    ):
        self.number = number
        self._after, self._among = after, among
        self._missing: list[int] = []

    def take(self, limit: int) -> list[Any]:
        """What is next: the late ones, and up to `limit` that follow; none where all was read."""
        late = list(self._among(self._missing)) if self._among and self._missing else []
        found = self._after(self.number, limit)
        if late:
            came = {number for number, _ in late}
            self._missing = [number for number in self._missing if number not in came]
        for number, _ in found:
            if self._among:
                self._missing.extend(range(max(self.number + 1, number - MOST), number))
            self.number = number
        del self._missing[:-MOST]
        return [what for _, what in (*late, *found)]
