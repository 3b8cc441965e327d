"""Which errors of a database mean "not now", and how to say so.

A lost connection, a full or read-only disk, a lock that never came, tables
that are not there yet: `Unavailable`, with what to do. Everything else is
raised as it came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import Refused, Unavailable

_ENDED = "its disk or its memory was full, or failed, and nothing of it was kept"
_NO_TABLE = "its tables are missing: run `python -m app migrate`"
# Beginnings of SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_STATES = {
    "08": "the connection was lost",
    "57P": "the server is shutting down or starting",
    "53100": "the server's disk is full: free some space there",
    "53300": "the server has no connection left: lower the number of processes, or raise its limit",
    "53": "the server is out of memory or disk",
    "25P03": "the transaction was idle for too long, since its process stood still",
    "25006": "the server only allows reading: is it a standby?",
    "40": "another transaction was in the way",
    "55P03": "another transaction holds the lock",
    "28": "the server refused the user or the password: check DATABASE_URL",
    "3D000": "there is no such database on the server: create it, or check DATABASE_URL",
    "42P01": _NO_TABLE,
}
_SQLITE = {
    "database or disk is full": "the disk is full: free some space",
    "readonly database": "the file or its folder is read-only: make it writable",
    "unable to open database file": "the file can't be opened: check the folder and its rights",
    "database is locked": "another process holds the file's lock",
    "rolled back by sqlite": _ENDED,
    "no transaction is active": _ENDED,
    "disk i/o error": "the disk failed: check it before anything else",
    "no such table": _NO_TABLE,
    "file is not a database": "the file is no SQLite database: move it away, or check the path",
    "image is malformed": "the file is damaged: restore a copy of it",
    "malformed database schema": "the file is damaged: restore a copy of it",
}
_MARK = "of_penstock"


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Raises `Unavailable` for what is wrong with the database called `name`.

    And `Refused` for the one character that PostgreSQL has no text with.
    """
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        if "NUL (0x00)" in str(error.orig if isinstance(error, DBAPIError) else ""):
            raise Refused("A text holds a NUL character, which PostgreSQL can't keep.") from error
        problem = describe(error)
        if problem is None:
            raise
        raise Unavailable(f"The database {name} can't take this now: {problem}.") from error


def mark(context: ExceptionContext) -> None:
    """Note on an error that a database of ours raised it; for SQLAlchemy's `handle_error`."""
    if context.sqlalchemy_exception is not None:
        setattr(context.sqlalchemy_exception, _MARK, True)


def given_up(sql: str) -> DBAPIError:
    """For a statement of a transaction that SQLite has rolled back by itself: it would be one alone."""
    error = DBAPIError(
        sql, None, sqlite3.OperationalError("the transaction was rolled back by SQLite")
    )
    setattr(error, _MARK, True)
    return error


def is_not_now(error: BaseException) -> bool:
    """Whether code that an author wrote met a condition of ours, and is not at fault itself.

    A table that is missing, or another database than ours, is the author's own matter.
    """
    if isinstance(error, Unavailable):
        return True
    if not isinstance(error, DBAPIError) or not getattr(error, _MARK, False):
        return False
    return describe(error) not in (None, _NO_TABLE)


def describe(error: SQLAlchemyError) -> str | None:
    """What is wrong in words, or None where it isn't the database's condition."""
    if isinstance(error, PoolTimeout):
        return "all connections of this process are in use; try again"
    if not isinstance(error, DBAPIError):
        return None
    state = getattr(error.orig, "sqlstate", None)
    if state:
        found = [text for prefix, text in _STATES.items() if state.startswith(prefix)]
        return found[0] if found else None
    text = str(error.orig)
    for part, problem in _SQLITE.items():
        if part in text.lower():
            return problem
    if type(error.orig).__module__.startswith("psycopg") and (
        error.connection_invalidated or type(error.orig).__name__ == "OperationalError"
    ):
        return f"no connection ({text.strip().splitlines()[0] if text.strip() else 'lost'})"
    return None


def is_missing_table(error: BaseException) -> bool:
    """Whether a statement named a table that is not there."""
    return isinstance(error, DBAPIError) and describe(error) == _NO_TABLE
