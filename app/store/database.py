"""One SQL database: an engine for each process, and transactions on it.

Guarantees: `session()` commits whole or not at all; a forked child never
touches its parent's connections; a condition of the database (lost, full,
read-only, not migrated) is raised as `Unavailable` in words. On SQLite writers
take the lock at the start (a transaction that reads first and writes later
can't wait for the lock: it fails at once). How its connections are made is told
in `app.store.engines`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event, make_url, text
from sqlmodel import Session

from app.errors import Refused
from app.store.engines import BEGIN, postgres, sqlite
from app.store.failures import mark, translated
from app.store.forking import GATE


class Database:
    """The database at a URL. `connections` is the most that one process may open.

    `synchronous` is SQLite's: FULL survives a power cut; NORMAL may lose the last
    moments then (never in a crash of a process), which is enough where another
    record of them exists, as for the archive, whose events Redis still holds.
    """

    def __init__(
        self, url: str, *, connections: int = 10, synchronous: sqlite.Synchronous = "FULL"
    ):
        self.url = make_url(url)
        self.on_sqlite = self.url.get_backend_name() == "sqlite"
        self.name = self.url.render_as_string(hide_password=True)
        self._connections = connections
        self._synchronous = synchronous
        self._engine: Engine | None = None
        self._process: int | None = None
        self._inherited: list[Engine] = []
        self._writer = sqlite.OneWriter(self.name)
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
            engine = self.engine.execution_options(**{BEGIN: begin}) if writing else self._reading()
            session = Session(engine, expire_on_commit=False)
            try:
                yield session
            finally:  # the class's own: of whoever was killed with it in hand it is lent still
                Session.close(session)

    def _reading(self) -> Engine:
        """The engine for what only reads."""
        engine = self.engine.execution_options(**{BEGIN: "DEFERRED"})
        if self.on_sqlite:
            return engine
        # Each statement sees what is committed when it starts, in a transaction or not:
        # without one it is one round trip and not three (see `app.store.engines.postgres`).
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
                    driver.execute("PRAGMA temp.cache_size = -64000")
                yield connection
            finally:
                connection.invalidate()
                connection.close()

    @contextmanager
    def on(self, connection: Connection, *, writes: bool) -> Iterator[Session]:
        """A transaction on a connection `apart`; on SQLite only one that `writes` holds others back."""
        begin = {BEGIN: "IMMEDIATE" if writes else "DEFERRED"}
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
        self._writer.check_free()

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
        if self.on_sqlite:
            engine = sqlite.make(
                self.url,
                connections=self._connections,
                synchronous=self._synchronous,
                writer=self._writer,
            )
        else:
            engine = postgres.make(self.url, connections=self._connections)
        event.listen(engine, "handle_error", mark)
        return engine


def check_writes(session: Session) -> None:
    """Raises `Refused` for a session of `read`, which would lose what is written, and say that it holds."""
    if session.get_bind().get_execution_options().get(BEGIN) == "DEFERRED":
        raise Refused(
            "This session only reads: open one `with platform.database.session()` to write in it. "
            "Nothing was written."
        )


def open_databases(
    url: str, archive_url: str, *, connections: int = 10
) -> tuple[Database, Database]:
    """The main database and the archive's, which are one where the URLs are the same."""
    main = Database(url, connections=connections)
    if archive_url == url:
        return main, main
    return main, Database(archive_url, connections=connections, synchronous="NORMAL")
