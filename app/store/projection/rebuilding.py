"""The console's rows, built anew from what the archive keeps: events, and records of deliveries.

1. Temporary tables of the same names as the live ones stand before them on one connection, so the
   projection's own code fills them, from the first event and record that are kept.
2. Runs are compared with their live rows, which holds up nobody. Those that differ are replaced, as
   many at a time as fit into `HELD` seconds, in a transaction that holds the appliers' lock and
   first takes in what has come meanwhile. So each run is the old or the new one, whole; nothing is
   missed or doubled. A run that was the same at any moment is the projection's to go on with.
3. So are the figures, by their minutes (`refiguring`).

Kept as they are: runs that began before the archive is complete; what an operator did that no
record tells (a delivery that was cancelled, one that is not waited for any more); dead letters and
groups of failures, which hold people's decisions and are a record themselves. Whatever ends this
in between leaves whole runs behind; begin again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Index
from sqlmodel import SQLModel

from app.clock import Clock
from app.errors import Refused
from app.store import settled_records
from app.store.archive import Archive
from app.store.bulk import Bulk
from app.store.database import Database
from app.store.deliveries import (
    Announced,
    AppliedRecord,
    CoarseRollup,
    Delivery,
    DeliveryAttempt,
    Rollup,
    Run,
    RunEvent,
    WorkerRollup,
)
from app.store.projection import arrivals, counts, letters, settlements, unread
from app.store.projection.consumers import Known
from app.store.projection.derive import LOCK, derive
from app.store.projection.record import Record, portions
from app.store.projection.refiguring import Figures
from app.store.projection.replacing import Runs
from app.store.projection.unread import Unread
from app.store.shadow import shadow

EVENTS, RECORDS, RUNS = 2000, 200, 1000
"""How much one step takes: events, records, runs that are compared."""
HELD = 0.1
"""Seconds for which others are held up at once, about."""
FEWEST = 50
"""Runs that are replaced at once at least: on a machine that has no time, none would fit."""
GAP = 0.03
"""Seconds between two such times: whoever waits for SQLite's lock looks for it every millisecond."""
FEW = 200
"""Events and records that may be left to take in while others are held up."""
PARTS = {"events": 0.25, "records": 0.35, "runs": 0.35, "figures": 0.05}
"""What share of the whole time each part takes, about."""

_TABLES: tuple[type[SQLModel], ...] = (
    RunEvent, Announced, Delivery, DeliveryAttempt, Run, Rollup, WorkerRollup, CoarseRollup,
    AppliedRecord,
)  # fmt: skip
_SEARCHED = {"run_events_by_run", "deliveries_by_run", "ix_announced_events_correlationid"}
"""The indexes that are of use here; making them when the rows are there is quicker."""


T = TypeVar("T")


class Rebuilding:
    """One rebuild, on a connection of its own, by `steps()`."""

    def __init__(self, database: Database, archive: Archive, archived: Database, clock: Clock):
        self._database, self._archive, self._archived = database, archive, archived
        self._clock = clock
        self._known = Known()
        self.since = settled_records.complete_since(archived)
        self.replaced = 0

    def steps(self) -> Iterator[float]:
        """Do it; after each step how much is done, from 0 to 1. Close it to give up.

        Raises `Refused` where no record is kept yet.
        """
        first, last = settled_records.ends(self._archived)
        if not last:
            raise Refused(
                "No records of deliveries are archived yet, which runs are built from: they are kept "
                "from this release on."
            )
        begun = 0.0
        with self._database.apart() as connection:
            self._live = self._database.schema_of(connection)
            later = shadow(connection, _TABLES, indexes=False)
            steps = {
                "events": lambda: self._old_events(connection),
                "records": lambda: self._old_records(connection, first, last),
                "runs": lambda: self._runs(connection),
                "figures": lambda: self._figures(connection),
            }
            for part, weight in PARTS.items():
                if part == "runs":
                    for _ in self._search(connection, later):
                        yield begun
                for share in steps[part]():
                    yield min(1.0, begun + weight * share)
                begun += weight
        yield 1.0

    def _search(self, connection: Connection, indexes: Sequence[Index]) -> Iterator[None]:
        """Make the rows that were built quick to find; PostgreSQL knows nothing of temporary tables else.

        A step each: of a million events an index takes seconds, and other followers wait for none but one.
        """
        for index in indexes:
            if index.name in _SEARCHED:
                index.create(connection)
                connection.commit()
                yield
        if not self._database.on_sqlite:
            for table in _TABLES:
                connection.exec_driver_sql(f"ANALYZE {table.__tablename__}")
                connection.commit()
                yield

    # -- building

    def _old_events(self, connection: Connection) -> Iterator[float]:
        """Those that were archived before this began.

        None of types that are `packed`, which have no rows: what announces one finds it in the
        archive. But of the newest all are read, since others may still be added among them.
        """
        first, last = self._archive.first_number(), self._archive.last_number()
        number, until = first - 1, max(first - 1, last - unread.MOST)
        while number < until:
            with self._transaction(connection) as bulk:
                self._known.refresh(bulk)
                found = self._archive.after(number, EVENTS, until, without=self._known.packed)
                arrivals.apply(bulk, [arrival for _, arrival in found], self._known)
            number = found[-1][0] if len(found) == EVENTS else until
            yield (number - first) / (last - first + 1)
        after, among = self._archive.after, self._archive.among
        self._events = Unread(until, after, None if self._archived.on_sqlite else among)
        while self._events.number < last:
            with self._transaction(connection) as bulk:
                if not self._take_events(bulk):
                    break
            yield (self._events.number - first) / (last - first + 1)

    def _old_records(self, connection: Connection, first: int, last: int) -> Iterator[float]:
        after = partial(settled_records.after, self._archived)
        among = partial(settled_records.among, self._archived)
        self._records = Unread(first - 1, after, None if self._archived.on_sqlite else among)
        self._figured = Figures(self._live, self.since, self._archived)
        while self._records.number < last:
            before = self._records.number
            found = self._next_records()
            if not found:
                break
            some = list(portions(found))
            for number, portion in enumerate(some, 1):
                with self._transaction(connection) as bulk:
                    self._apply_records(bulk, portion)
                reached = before + (self._records.number - before) * number / len(some)
                yield (reached - first) / (last - first + 1)

    def _take_events(self, bulk: Bulk) -> int:
        found = self._events.take(EVENTS)
        if found:
            self._known.refresh(bulk)
            arrivals.apply(bulk, found, self._known)
        return len(found)

    def _next_records(self) -> list[Record]:
        return [Record.read(event) for batch in self._records.take(RECORDS) for event in batch]

    def _apply_records(self, bulk: Bulk, records: Sequence[Record]) -> None:
        self._known.refresh(bulk)
        new = counts.not_applied(bulk, records, self._clock.now())
        settlements.apply(bulk, new, self._known, self._archive)
        letters.mend(bulk, new)
        counts.apply(bulk, [record for record in new if record.at >= self.since])
        self._figured.note(new)

    def _catch_up(self, bulk: Bulk) -> int:
        """Take in what is archived by now; how many events and records that were."""
        last_event = self._archive.last_number()
        _, last_record = settled_records.ends(self._archived)
        taken = 0
        while found := self._take_events(bulk):
            taken += found
            if self._events.number >= last_event:
                break
        while records := self._next_records():
            taken += len(records)
            for portion in portions(records):
                self._apply_records(bulk, portion)
            if self._records.number >= last_record:
                break
        return taken

    def _keep_up(self, connection: Connection) -> None:
        """Take in most of what came, while nobody waits."""
        for _ in range(10):
            with self._transaction(connection) as bulk:
                if self._catch_up(bulk) <= FEW:
                    return

    # -- replacing

    def _runs(self, connection: Connection) -> Iterator[float]:
        runs, pace = Runs(self._live, self.since), Pace(200, FEWEST)
        with self._transaction(connection) as bulk:
            # About as many as there are runs, for the progress: to count those exactly takes a sort.
            roots = "SELECT count(*) FROM run_events WHERE causationid IS NULL"
            total = bulk.rows(roots)[0][0] or 1
        done, after = 0, ""
        while True:
            self._keep_up(connection)
            with self._transaction(connection) as bulk:
                found = bulk.rows(
                    "SELECT DISTINCT correlationid FROM run_events WHERE correlationid > ?"
                    f" ORDER BY correlationid LIMIT {RUNS}",
                    after,
                )
                if not found:
                    return
                after = found[-1][0]
                wanted = runs.replaceable(bulk, [id for (id,) in found])
                runs.take_over(bulk, wanted)
                derive(bulk, wanted)
                unlike = runs.differing(bulk, wanted)
            begun = done
            for some in pace.slices(unlike):
                self._keep_up(connection)
                with self._holding(connection, pace) as bulk:
                    runs.take_over(bulk, some)
                    derive(bulk, some)
                    runs.replace(bulk, some)
                self.replaced += len(some)
                done += len(some)
                yield min(1.0, done / total)
                self._clock.sleep(GAP)
            done = begun + len(found)
            yield min(1.0, done / total)

    def _figures(self, connection: Connection) -> Iterator[float]:
        """Of all minutes since the archive is complete, but where a record is still to be added."""
        figures, pace = self._figured, Pace(60, 10)
        with self._transaction(connection) as bulk:
            figures.look_back(bulk)
            windows = figures.windows(bulk)
        for number, window in enumerate(windows, 1):
            self._keep_up(connection)
            with self._transaction(connection) as bulk:
                unlike = figures.differing(bulk, window)
            for some in pace.slices(unlike):
                self._keep_up(connection)
                with self._holding(connection, pace) as bulk:
                    figures.replace(bulk, some)
                self._clock.sleep(GAP)
            yield number / len(windows)

    # -- its connection

    @contextmanager
    def _transaction(self, connection: Connection, writes: bool = False) -> Iterator[Bulk]:
        """Only one that `writes` to the live tables holds others back, and knows that no applier is at work."""
        with self._database.on(connection, writes=writes) as session:
            bulk = Bulk(session)
            if writes:
                bulk.lock(LOCK)
            bulk.by_index()
            yield bulk

    @contextmanager
    def _holding(self, connection: Connection, pace: Pace) -> Iterator[Bulk]:
        with self._transaction(connection, writes=True) as bulk:
            began = self._clock.monotonic()
            self._catch_up(bulk)
            yield bulk
            pace.took(self._clock.monotonic() - began)


class Pace:
    """How many things fit into the time for which others are held up: learnt from each time."""

    def __init__(self, size: int, fewest: int):
        self.size = size
        self._fewest, self._given = fewest, 0

    def slices(self, things: Sequence[T]) -> Iterator[Sequence[T]]:
        start = 0
        while start < len(things):
            some = things[start : start + self.size]
            start, self._given = start + len(some), len(some)
            yield some

    def took(self, seconds: float) -> None:
        """What was given last took so long: at most twice as much is given next."""
        fits = self._given * HELD / max(seconds, HELD / 2)
        if self._given == self.size or fits < self.size:
            self.size = max(self._fewest, int(fits))
