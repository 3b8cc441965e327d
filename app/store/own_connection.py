"""One connection that is kept open for one user, beside the pool.

To take a connection out of the pool and to give it back costs as much as a small transaction, which
matters to who does so thousands of times a second. It is closed with the database's
others, opened anew after an error and after a fork, and left alone by a child of its process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection, event

from app.store.database import Database

_INHERITED: list[OwnConnection] = []
"""Those of the process that this one was forked from: kept, so that nothing closes them here."""


class OwnConnection:
    """Used by one thread of one process at a time: a thread that comes meanwhile waits."""

    def __init__(self, database: Database):
        self._database = database
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._connection: PoolProxiedConnection | None = None

    def after_fork(self) -> OwnConnection:
        """What a child uses in its place."""
        _INHERITED.append(self)
        return OwnConnection(self._database)

    @contextmanager
    def driver(self) -> Iterator[Any]:
        """The driver's connection. After an error in the block it is closed: the next one is new."""
        with self._lock:
            engine = self._database.engine
            if engine is not self._engine:
                self._open(engine)
            assert self._connection is not None
            try:
                yield self._connection.dbapi_connection
            except BaseException:
                self._close()
                raise
            if self._engine is None:  # the database's connections were closed meanwhile
                self._close()

    def _open(self, engine: Engine) -> None:
        self._close()
        connection = engine.raw_connection()
        connection.detach()  # the pool may make another in its place
        self._connection, self._engine = connection, engine
        event.listen(engine, "engine_disposed", self._on_disposed, once=True)

    def _close(self) -> None:
        connection, self._connection, self._engine = self._connection, None, None
        if connection is not None:
            connection.close()

    def _on_disposed(self, engine: Engine) -> None:
        if engine is not self._engine:
            return
        self._engine = None  # who has it in use closes it
        if self._lock.acquire(blocking=False):
            try:
                self._close()
            finally:
                self._lock.release()
