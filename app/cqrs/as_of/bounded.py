"""Work that may take only so long, also inside of the database: a worker has others waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.clock import Clock
from app.errors import Refused, Unavailable

OPCODES = 20_000
"""Of SQLite's machine, between two looks at the clock."""
CANCELLED = "57014"
"""How PostgreSQL says that a statement ran into its time limit."""
SECONDS = 60.0
"""For which a worker looks for an answer."""


class TookTooLong(Refused):
    """The time was over before the answer was found."""


class Bound:
    """From now on for `seconds`; `passed` makes the sentence for how far it came, `tell` hears of it."""

    def __init__(
        self,
        clock: Clock,
        seconds: float,
        passed: Callable[[int], str],
        tell: Callable[[int], None],
    ):
        self._clock, self._seconds = clock, seconds
        self._passed, self._tell = passed, tell
        self._end = clock.monotonic() + seconds
        self._told = clock.monotonic()
        self._at = 0

    def check(self, at: int) -> None:
        """Raises `TookTooLong` when the time is over."""
        now, self._at = self._clock.monotonic(), at
        if now > self._end:
            raise TookTooLong(self._passed(at))
        if now - self._told > 1.0:
            self._told = now
            self._tell(at)

    def hold(self, connection: Connection) -> None:
        """No statement on this connection takes longer, either; it ends with the work."""
        driver: Any = connection.connection.driver_connection
        if connection.dialect.name == "sqlite":
            driver.set_progress_handler(lambda: self._clock.monotonic() > self._end, OPCODES)
        else:
            connection.exec_driver_sql(f"SET statement_timeout = {int(self._seconds * 1000)}")
            connection.commit()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raises `TookTooLong` for a statement that was cut off."""
        try:
            yield
        except (DBAPIError, Unavailable) as error:
            original = getattr(error, "orig", None)
            cut = getattr(original, "sqlstate", None) == CANCELLED or str(original) == "interrupted"
            if not cut:
                raise
            raise TookTooLong(self._passed(self._at)) from error
