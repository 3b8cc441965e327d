"""Waiting for SQLite's write lock, so that everybody's turn comes.

SQLite keeps no queue: who finds the lock taken sleeps and tries again, and its own sleeps grow to a
tenth of a second. So the lock stands free between two tries of those who wait, others who come back at
once take it, and who has waited longest tries least often (docs/decisions/0064). Here all try at
the same rate: the lock is taken soon after it is free, and each who waits has the same chance.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

PAUSE = 0.001
"""Seconds between two tries, on average: no longer than a commit takes."""


class Connection(sqlite3.Connection):
    """It waits `patience` seconds for a lock: as SQLite does, unless it begins to write."""

    patience = 0.0
    _waits = True

    def begin(self, mode: str) -> None:
        """Begin a transaction. Raises `sqlite3.OperationalError` where the lock doesn't come."""
        if mode == "IMMEDIATE":
            self._let_wait(False)
            self._take_turns()
        else:
            self._let_wait(
                True
            )  # a reader waits where another process mends the file after a crash
            self.execute(f"BEGIN {mode}")

    def at_once(self, sql: str, values: Sequence[Any]) -> None:
        """Execute a statement as a transaction of its own, without waiting for the lock."""
        self._let_wait(False)
        self.execute(sql, values)

    def _let_wait(self, waits: bool) -> None:
        if waits is not self._waits:
            self.execute(f"PRAGMA busy_timeout = {int(1000 * self.patience) if waits else 0}")
            self._waits = waits

    def _take_turns(self) -> None:
        ends: float | None = None
        while True:
            try:
                self.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                now = time.monotonic()
                ends = now + self.patience if ends is None else ends
                if not is_busy(error) or now >= ends:
                    raise
            time.sleep(random.uniform(0.5, 1.5) * PAUSE)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the lock."""
    code = getattr(error, "sqlite_errorcode", 0)  # Python's own errors have none
    return bool(code & 0xFF == sqlite3.SQLITE_BUSY)


def patient(seconds: float) -> type[Connection]:
    """The class of connections that wait so long; for `sqlite3.connect(factory=…)`."""
    return type("Patient", (Connection,), {"patience": seconds})
