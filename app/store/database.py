"""One SQL database: an engine for each process, and transactions on it.

Guarantees: `session()` commits whole or not at all; a forked child never
touches its parent's connections; a condition of the database (lost, full,
read-only, not migrated) is raised as `Unavailable` in words. SQLite runs in
WAL, its writers take the lock at the start (a transaction that reads first and
writes later can't wait for the lock: it fails at once).
"""

from __future__ import annotations

import os
import select
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session

from app.errors import Refused, Unavailable
from app.store import turns
from app.store.failures import mark, translated
from app.store.forking import GATE

BUSY_SECONDS = 30
QUIET_SECONDS = 30.0
"""A connection that was idle for longer is asked whether it is there, before it is used."""
_BEGIN = "penstock_begin"
_LOCKED_OUT = (
    "This thread holds a write transaction of {name} open already, and SQLite has one writer at a "
    "time: it would wait for itself. Take part in the open one (`session=ctx.session` in a handler, "
    "`session=` elsewhere), or end it first."
)


class Database:
    """The database at a URL. `connections` is the most that one process may open.

    `synchronous` is SQLite's: FULL survives a power cut; NORMAL may lose the last
    moments then (never in a crash of a process), which is enough where another
    record of them exists, as for the archive, whose events Redis still holds.
    """

    def __init__(
        self, url: str, *, connections: int = 10, synchronous: Literal["FULL", "NORMAL"] = "FULL"
    ):
        self.url = make_url(url)
        self.on_sqlite = self.url.get_backend_name() == "sqlite"
        self.name = self.url.render_as_string(hide_password=True)
        self._connections = connections
        self._synchronous = synchronous
        self._engine: Engine | None = None
        self._process: int | None = None
        self._inherited: list[Engine] = []
        self._writing = threading.local()
        self._together: ContextVar[Session | None] = ContextVar("together", default=None)

    @property
    def engine(self) -> Engine:
        """This process's engine, made at the first use."""
        if self._engine is None or self._process != os.getpid():
            self.dispose(close=self._process == os.getpid())
            self._engine = self._make()
            self._process = os.getpid()
        return self._engine

    @property
    def file(self) -> Path | None:
        """The file of SQLite; None on PostgreSQL."""
        return Path(self.url.database) if self.on_sqlite and self.url.database else None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction that may write: committed at the end, rolled back on an error."""
        outer = self._together.get()
        if outer is not None:
            yield outer
            outer.flush()
            return
        with self._transaction("IMMEDIATE") as session:
            yield session
            session.commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads; on SQLite it blocks nobody and waits for nobody."""
        outer = self._together.get()
        if outer is not None:
            yield outer
            return
        with self._transaction("DEFERRED") as session:
            yield session

    def glance(self, sql: str) -> list[Any]:
        """The rows of one SELECT, for what is asked all the time.

        Without a session: one costs several times what the database does for a small question.
        """
        outer = self._together.get()
        if outer is not None:
            return list(outer.connection().exec_driver_sql(sql))
        gate = GATE.inside() if self.on_sqlite else nullcontext()
        with translated(self.name), gate, self._reading().connect() as connection:
            return list(connection.exec_driver_sql(sql))

    @property
    def is_together(self) -> bool:
        """Whether this thread is in a transaction whose changes only it sees yet."""
        return self._together.get() is not None

    @contextmanager
    def together(self) -> Iterator[Session]:
        """One transaction for all that `session` and `read` open in this block, in this thread."""
        with self.session() as session:
            token = self._together.set(session)
            try:
                yield session
            finally:
                self._together.reset(token)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Session]:
        with translated(self.name), GATE.inside() if self.on_sqlite else nullcontext():
            writing = begin == "IMMEDIATE"
            engine = (
                self.engine.execution_options(**{_BEGIN: begin}) if writing else self._reading()
            )
            with Session(engine, expire_on_commit=False) as session:
                yield session

    def _reading(self) -> Engine:
        """The engine for what only reads."""
        engine = self.engine.execution_options(**{_BEGIN: "DEFERRED"})
        if self.on_sqlite:
            return engine
        # Each statement sees what is committed when it starts, in a transaction or not:
        # without one it is one round trip and not three (see `_on_statement`).
        return engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def apart(self) -> Iterator[Connection]:
        """A connection for several transactions (`on`); the temporary tables that it makes end with it."""
        with translated(self.name):
            connection = self.engine.connect()
            try:
                if self.on_sqlite:
                    driver: Any = connection.connection.driver_connection
                    driver.execute("PRAGMA temp_store = FILE")
                yield connection
            finally:
                connection.invalidate()
                connection.close()

    @contextmanager
    def on(self, connection: Connection, *, writes: bool) -> Iterator[Session]:
        """A transaction on a connection `apart`; on SQLite only one that `writes` holds others back."""
        begin = {_BEGIN: "IMMEDIATE" if writes else "DEFERRED"}
        gate = GATE.inside() if self.on_sqlite else nullcontext()
        with translated(self.name), gate, Session(connection.execution_options(**begin)) as session:
            yield session
            session.commit()

    def schema_of(self, connection: Connection) -> str:
        """The schema of the tables that last, where temporary ones of the same name stand before them."""
        if self.on_sqlite:
            return "main"
        return str(connection.exec_driver_sql("SELECT current_schema()").scalar())

    def check_free(self) -> None:
        """Raises `Refused` where this thread would wait for a lock that it holds itself (SQLite)."""
        process, find = getattr(self._writing, "by", (None, None))
        writing = find() if find and process == os.getpid() else None
        if writing is not None and not writing.closed and writing.in_transaction():
            raise Refused(_LOCKED_OUT.format(name=self.name))

    def ping(self) -> None:
        """Returns where the database answers. Raises `Unavailable` where it doesn't."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def dispose(self, close: bool = True) -> None:
        """Forget this process's connections; after a fork without closing the parent's."""
        if self._engine is None:
            return
        if close:
            self._engine.dispose()
        else:
            # Kept, so that no garbage collection closes what the parent still uses.
            self._inherited.append(self._engine)
        self._engine = None

    def _make(self) -> Engine:
        engine = self._make_sqlite() if self.on_sqlite else self._make_postgresql()
        event.listen(engine, "handle_error", mark)
        return engine

    def _make_postgresql(self) -> Engine:
        kept = min(5, self._connections)
        # Without prepared statements: the server keeps the plan of one from when its tables were
        # almost empty (measured: 27 s for a batch of 5,000 that takes 0.3), and PgBouncer can't
        # share them.
        engine = create_engine(
            self.url,
            pool_size=kept,
            max_overflow=self._connections - kept,
            pool_timeout=15,
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

    def _make_sqlite(self) -> Engine:
        if self.file is not None:
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                # It holds password hashes and people's data: for its owner only.
                if not self.file.exists():
                    os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
            except OSError as error:
                raise Unavailable(
                    f"The database {self.file} can't be made ({error.strerror}): "
                    "make its folder writable, or set PENSTOCK_DATA_DIR to one that is."
                ) from error
        engine = create_engine(
            self.url,
            pool_size=self._connections,
            max_overflow=0,
            pool_timeout=15,
            connect_args={
                "timeout": BUSY_SECONDS,
                "check_same_thread": False,
                "factory": turns.patient(BUSY_SECONDS),
            },
        )
        event.listen(engine, "connect", self._on_sqlite_connect)
        event.listen(engine, "begin", self._on_sqlite_begin)
        return engine

    def _on_sqlite_connect(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where Python does
        cursor = connection.cursor()
        try:
            _use_wal(cursor)
            cursor.execute(f"PRAGMA synchronous = {self._synchronous}")
            cursor.execute("PRAGMA foreign_keys = ON")
            cursor.execute("PRAGMA temp_store = MEMORY")
            cursor.execute("PRAGMA cache_size = -32000")
            cursor.execute("PRAGMA journal_size_limit = 67108864")
            if self._synchronous == "NORMAL":
                # The disk is waited for, and what changed is copied, at each checkpoint: every
                # 32 MB and not every 4, since a batch of the archive writes half of that.
                cursor.execute("PRAGMA wal_autocheckpoint = 8000")
        finally:
            cursor.close()

    def _on_sqlite_begin(self, connection: Connection) -> None:
        mode = connection.get_execution_options().get(_BEGIN, "DEFERRED")
        if mode == "IMMEDIATE":
            self.check_free()
        driver: Any = connection.connection.driver_connection
        try:
            driver.begin(mode)
        except sqlite3.Error as error:
            raise DBAPIError("BEGIN", None, error) from error
        if mode == "IMMEDIATE":
            self._writing.by = os.getpid(), weakref.ref(connection)


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
    if connection.get_execution_options().get(_BEGIN) == "DEFERRED" and sql[:6] != "SELECT":
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


def open_databases(
    url: str, archive_url: str, *, connections: int = 10
) -> tuple[Database, Database]:
    """The main database and the archive's, which are one where the URLs are the same."""
    main = Database(url, connections=connections)
    if archive_url == url:
        return main, main
    return main, Database(archive_url, connections=connections, synchronous="NORMAL")
