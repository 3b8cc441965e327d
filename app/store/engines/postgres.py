"""PostgreSQL's engine: a pool whose connections are known to be there when they are given out.

Guarantees: a connection that has ended while it was idle is left, not handed
on. A transaction that only reads costs no round trip for its begin and its end,
unless a statement of it may write; that one is rolled back.
"""

from __future__ import annotations

import select
import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from app.store.engines import BEGIN

QUIET_SECONDS = 30.0
"""A connection that was idle for longer is asked whether it is there, before it is used."""


def make(url: URL, *, connections: int) -> Engine:
    """The engine of a process that may open so many `connections`."""
    kept = min(5, connections)
    # Without prepared statements: the server keeps the plan of one from when its tables were
    # almost empty (measured: 27 s for a batch of 5,000 that takes 0.3), and PgBouncer can't
    # share them.
    engine = create_engine(
        url,
        pool_size=kept,
        max_overflow=connections - kept,
        pool_timeout=15,
        hide_parameters=True,  # an error is shown and logged, and they may be personal
        pool_recycle=1800,
        connect_args={
            "connect_timeout": 10,
            "application_name": "penstock",
            # A database without an encoding (initdb where LC_ALL=C) answers in bytes otherwise.
            "client_encoding": "utf8",
            "prepare_threshold": None,
        },
    )
    event.listen(engine, "checkin", _on_checkin)
    event.listen(engine, "checkout", _on_checkout)
    event.listen(engine, "before_cursor_execute", _on_statement)
    return engine


def _on_checkin(_driver: Any, record: ConnectionPoolEntry) -> None:
    record.info["idle since"] = time.monotonic()


def _on_checkout(driver: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """Leave a connection that has ended meanwhile.

    The system knows of most that have, since the server says goodbye: asking it costs nothing.
    Only what a firewall may have forgotten is asked for an answer, which is a round trip.
    """
    since = record.info.get("idle since")
    if driver is None or since is None:
        return
    if time.monotonic() - since < QUIET_SECONDS and not _has_news(driver):
        return
    import psycopg  # SQLAlchemy has loaded it, where the database is PostgreSQL

    try:
        driver.autocommit = True
        driver.execute("SELECT 1")
        driver.autocommit = False
    except psycopg.Error as error:
        record.info.clear()
        raise InvalidatePoolError() from error


def _on_statement(
    connection: Connection, _cursor: Any, sql: str, _parameters: Any, _context: Any, _many: bool
) -> None:
    """What may write in a transaction that only reads gets one after all, to be rolled back."""
    if connection.get_execution_options().get(BEGIN) == "DEFERRED" and sql[:6] != "SELECT":
        driver: Any = connection.connection.driver_connection
        if driver.autocommit:
            driver.autocommit = False


def _has_news(driver: Any) -> bool:
    """Whether the server has sent something that nobody asked for, such as the end."""
    if driver.closed:
        return True
    waiting = select.poll()
    waiting.register(driver.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
