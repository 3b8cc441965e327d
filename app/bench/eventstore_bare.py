"""What the driver and the disk allow: rows of the same size, written and committed by bare statements.

No event is made, checked or serialised, no version is read, and no thread is guarded: so nobody who keeps
events in this database one by one, each durable when its append returns, is quicker with one writer. For
a batch it is what the driver's `executemany` comes to; one statement for many rows can be quicker.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from sqlalchemy import make_url

from app.bench.eventstore_peer import TEXT

_TABLE = (
    "CREATE TABLE bench_bare_events (position {serial}, stream text NOT NULL, version integer NOT NULL,"
    " type text NOT NULL, event text NOT NULL, recorded double precision NOT NULL, UNIQUE (stream, version))"
)
_INSERT = "INSERT INTO bench_bare_events (stream, version, type, event, recorded) VALUES ({0}, {0}, {0}, {0}, {0})"
_EVENT = (
    f'{{"type":"made.up","data":{{"n":0,"text":"{TEXT}"}},"id":"{"0" * 36}","time":"{"0" * 27}"}}'
)


class Bare:
    """One connection of the driver's own, to the database at a URL."""

    def __init__(self, url: str):
        parsed = make_url(url)
        self._on_sqlite = parsed.get_backend_name() == "sqlite"
        self._connection: Any
        if self._on_sqlite:
            self._connection = sqlite3.connect(
                str(parsed.database), isolation_level=None, check_same_thread=False, timeout=30
            )
            self._connection.execute("PRAGMA synchronous = FULL")
        else:
            import psycopg

            plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
            self._connection = psycopg.connect(plain, autocommit=True)
        serial = "integer PRIMARY KEY" if self._on_sqlite else "bigserial PRIMARY KEY"
        self._connection.execute(_TABLE.format(serial=serial))
        self._insert = _INSERT.format("?" if self._on_sqlite else "%s")

    def appending(self) -> Callable[[int, int, int], None]:
        """Appends so many rows to a new stream: of a writer (there is one), and its version before."""
        stream = f"bench:{uuid4()}"
        return lambda _writer, version, count: self._append(stream, version, count)

    def _append(self, stream: str, version: int, count: int) -> None:
        rows = [(stream, version + n + 1, "made.up", _EVENT, time.time()) for n in range(count)]
        if count == 1:
            self._connection.execute(self._insert, rows[0])
            return
        cursor = self._connection.cursor()
        cursor.execute("BEGIN")
        cursor.executemany(self._insert, rows)
        cursor.execute("COMMIT")

    def close(self) -> None:
        self._connection.execute("DROP TABLE bench_bare_events")
        self._connection.close()
