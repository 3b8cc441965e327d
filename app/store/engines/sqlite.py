"""SQLite's engine: WAL, one writer at a time, and nobody who waits for itself.

Guarantees: who writes takes the lock when the transaction begins, and waits for
it in turn (`app.store.turns`); a thread that holds it already is refused in
words. It is free when the transaction is over, however that ends, and what SQLite
rolled back by itself is not gone on with. The file is made for its owner only.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from app.errors import Refused, Unavailable
from app.store import turns
from app.store.engines import BEGIN
from app.store.failures import given_up

BUSY_SECONDS = 30
Synchronous = Literal["FULL", "NORMAL"]
_LOCKED_OUT = (
    "This thread holds a write transaction of {name} open already, and SQLite has one writer at a "
    "time: it would wait for itself. Take part in the open one (`session=ctx.session` in a handler, "
    "`session=` elsewhere), or end it first."
)


class OneWriter:
    """Which transaction of this thread holds the lock of the database called `name`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._writing = threading.local()

    def check_free(self) -> None:
        """Raises `Refused` where this thread would wait for a lock that it holds itself."""
        process, find = getattr(self._writing, "by", (None, None))
        writing = find() if find and process == os.getpid() else None
        if writing is not None and not writing.closed and writing.in_transaction():
            raise Refused(_LOCKED_OUT.format(name=self._name))

    def begin(self, connection: Connection) -> None:
        """Begin a transaction as its execution options say; for SQLAlchemy's `begin`."""
        mode = connection.get_execution_options().get(BEGIN, "DEFERRED")
        if mode == "IMMEDIATE":
            self.check_free()
        driver: Any = connection.connection.driver_connection
        try:
            driver.begin(mode)
        except sqlite3.Error as error:
            raise DBAPIError("BEGIN", None, error) from error
        if mode == "IMMEDIATE":
            self._writing.by = os.getpid(), weakref.ref(connection)


def make(url: URL, *, connections: int, synchronous: Synchronous, writer: OneWriter) -> Engine:
    """The engine of a process that may open so many `connections`; its file is made, if need be."""
    if url.database:
        _make_file(Path(url.database))
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=15,
        hide_parameters=True,  # an error is shown and logged, and they may be personal
        connect_args={
            "timeout": BUSY_SECONDS,
            "check_same_thread": False,
            "factory": turns.patient(BUSY_SECONDS),
        },
    )
    event.listen(engine, "connect", lambda driver, _record: _set_up(driver, synchronous))
    event.listen(engine, "begin", writer.begin)
    event.listen(engine, "before_cursor_execute", _check_open)
    event.listen(engine, "checkin", _end)
    return engine


def _check_open(_connection: Any, cursor: Any, sql: str, *_: Any) -> None:
    """A full disk ends a transaction, and who passes over that error would write outside of any."""
    if not cursor.connection.in_transaction:
        raise given_up(sql)


def _end(driver: Any, _record: Any) -> None:
    """A COMMIT that fails for a deferred foreign key leaves the transaction open, and SQLAlchemy leaves it so."""
    if driver is not None and driver.in_transaction:
        driver.rollback()


def _make_file(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # It holds password hashes and people's data: for its owner only.
        if not file.exists():
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise Unavailable(
            f"The database {file} can't be made ({error.strerror}): "
            "make its folder writable, or set PENSTOCK_DATA_DIR to one that is."
        ) from error


def _set_up(driver: Any, synchronous: Synchronous) -> None:
    driver.isolation_level = None  # transactions begin where we say, not where Python does
    cursor = driver.cursor()
    try:
        _use_wal(cursor)
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        # Else INSERT OR REPLACE takes a row away without asking the triggers that keep it.
        cursor.execute("PRAGMA recursive_triggers = ON")
        cursor.execute("PRAGMA temp_store = MEMORY")
        cursor.execute("PRAGMA cache_size = -32000")
        cursor.execute("PRAGMA journal_size_limit = 67108864")
        if synchronous == "NORMAL":
            # The disk is waited for, and what changed is copied, at each checkpoint: every
            # 32 MB and not every 4, since a batch of the archive writes half of that.
            cursor.execute("PRAGMA wal_autocheckpoint = 8000")
    finally:
        cursor.close()


def _use_wal(cursor: Any) -> None:
    """Switch the file to WAL once.

    The switch takes a lock without waiting for it, so where several processes open a new
    file at once, all but one may be refused; by then it is done, and reading it says so.
    """
    for _ in range(100):
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        try:
            cursor.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            cursor.execute("BEGIN IMMEDIATE")  # waits for the lock
            cursor.execute("ROLLBACK")
