"""The rebuild of the console's rows, as a part of `bench archive`: how quick, how exact, who waits.

First of rows that are sound, then of the same rows after every tenth run was spoilt, while somebody
beside it works out runs (as the projector does, under its lock) and reads a page's rows. Afterwards
every row must be as it was before.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Float, text
from sqlmodel import SQLModel

from app.bootstrap import Platform
from app.store.bulk import Bulk
from app.store.database import Database
from app.store.deliveries import (
    Announced,
    CoarseRollup,
    Counted,
    Delivery,
    DeliveryAttempt,
    Rollup,
    Run,
    RunEvent,
    WorkerRollup,
)
from app.store.projection.derive import derive_runs
from app.store.projection.rebuilding import Rebuilding

TABLES: tuple[type[SQLModel], ...] = (
    Run, RunEvent, Delivery, DeliveryAttempt, Announced, Rollup, WorkerRollup, CoarseRollup,
)  # fmt: skip
SPOILT = (
    "UPDATE runs SET state = 'running', ended = NULL WHERE correlationid IN ({tenth})",
    "DELETE FROM deliveries WHERE correlationid IN ({tenth}) AND attempt = 1",
    "UPDATE rollups SET succeeded = succeeded + 1 WHERE minute % 10 = 0",
)
TENTH = (
    "SELECT correlationid FROM (SELECT correlationid, row_number() OVER (ORDER BY correlationid)"
    " AS place FROM runs) AS r WHERE place % 10 = 0"
)
PAUSE = 0.05
"""Seconds between two of what the one beside it does."""


def run(platform: Platform, events: int, bare: float) -> dict[str, Any]:
    """Figures of both; `bare` is the reference, in events a second."""
    taken, replaced = _rebuilt(platform)
    before = digests(platform.database)
    with platform.database.session() as session:
        for one in SPOILT:
            session.execute(text(one.format(tenth=TENTH)))
    beside = Beside(platform)
    with beside.at_work():
        again, mended = _rebuilt(platform)
    after = digests(platform.database)
    return {
        "rebuild of the console's rows (events/s)": events / taken,
        "rebuild, ratio to the reference": events / taken / bare,
        "runs that were not as they were built anew": replaced,
        "rebuild of rows of which a tenth was spoilt (events/s)": events / again,
        "spoilt runs that were mended": mended,
        "tables with rows that are not as before": sum(before[one] != after[one] for one in before),
        "longest wait of a write meanwhile (ms)": 1000 * max(beside.writes),
        "longest wait of a read meanwhile (ms)": 1000 * max(beside.reads),
    }


def _rebuilt(platform: Platform) -> tuple[float, int]:
    one = platform
    rebuilding = Rebuilding(one.database, one.archive, one.archive_database, one.clock)
    begun = time.perf_counter()
    for _ in rebuilding.steps():
        pass
    return time.perf_counter() - begun, rebuilding.replaced


def digests(database: Database) -> dict[str, tuple[int, int]]:
    """Of each table how many rows there are, and a sum over all of them that no order changes."""
    return {str(table.__tablename__): _digest(database, table) for table in TABLES}


def _digest(database: Database, table: type[SQLModel]) -> tuple[int, int]:
    # Sums of figures that were added up in another order are alike, as the rebuild sees them.
    columns = ", ".join(
        f"ROUND({column.name} * 1000)"
        if issubclass(table, Counted) and isinstance(column.type, Float)
        else column.name
        for column in table.__table__.columns  # type: ignore[attr-defined]
    )
    rows = total = 0
    with database.session() as session:  # a cursor lives in a transaction
        sql = text(f"SELECT {columns} FROM {table.__tablename__}")
        for row in session.execute(sql, execution_options={"yield_per": 5000}):
            digest = hashlib.blake2b(repr(tuple(row)).encode(), digest_size=16).digest()
            rows, total = rows + 1, (total + int.from_bytes(digest)) % 2**128
    return rows, total


class Beside:
    """Somebody who writes to the same tables and reads from them, and how long each took."""

    def __init__(self, platform: Platform):
        self._platform = platform
        with platform.database.read() as session:
            found = session.execute(text("SELECT correlationid FROM runs LIMIT 20"))
            self._ids = [id for (id,) in found]
        self._over = threading.Event()
        self.writes: list[float] = []
        self.reads: list[float] = []

    @contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self._work, name="beside the rebuild")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _work(self) -> None:
        while not self._over.wait(PAUSE) or not self.writes:
            begun = time.perf_counter()
            with self._platform.database.session() as session:
                derive_runs(Bulk(session), self._ids[:1])
            written = time.perf_counter()
            self._platform.runs.find(limit=50)
            self.writes.append(written - begun)
            self.reads.append(time.perf_counter() - written)
