"""The console's rows, built anew from what the archive keeps: events, and records of deliveries.

1. Temporary tables of the same names as the live ones stand before them on one connection, so the
   projection's own code fills them, from the first event and record that are kept.
2. 1,000 to 2,000 runs at a time, their live rows are replaced by the new ones, in one transaction
   that holds the appliers' lock and first takes in what has come meanwhile. So each run is the old
   or the new one, whole; nothing is missed or doubled. Readers wait for nothing, workers and
   operators for one part at a time.
3. The figures of minutes are replaced in the last transaction.

Kept as they are: runs that began before the archive is complete; what an operator did that no
record tells (a delivery that was cancelled, one that is not waited for any more); dead letters and
groups of failures, which hold people's decisions and are a record themselves. Whatever ends this
in between leaves whole runs behind; begin again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlmodel import SQLModel

from app.clock import Clock
from app.errors import Refused
from app.store import coarse, settled_records
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
from app.store.projection import arrivals, counts, letters, settlements
from app.store.projection.consumers import Known
from app.store.projection.derive import LOCK, derive_runs
from app.store.projection.record import Record
from app.store.shadow import shadow

EVENTS, BATCHES, RUNS = 2000, 5, 2000
"""How much one transaction takes: events, batches of records, runs."""
AGAIN = 2 * EVENTS, 2 * BATCHES
"""How far each look at what came meanwhile goes back: two who add at once may commit in any order."""
FEWEST = 1000
"""Runs that are replaced at once at least: a part costs more than a second on a large database, however few."""
HELD = 0.5
"""Seconds for which others may be held up at once, where so many runs or more are replaced in them."""
GAP = 0.12
"""Seconds between two parts: who waits for SQLite's lock looks for it every 0.1 s."""
LOOK_BACK = 50
"""Batches of records in which one is looked for that the projector has yet to apply."""
NEVER = 2**31 - 1

_TABLES: tuple[type[SQLModel], ...] = (
    RunEvent, Announced, Delivery, DeliveryAttempt, Run, Rollup, WorkerRollup, CoarseRollup,
    AppliedRecord,
)  # fmt: skip
_OF_RUNS = (RunEvent, Announced, Delivery, Run)


class Rebuilding:
    """One rebuild, on a connection of its own, by `steps()`."""

    def __init__(self, database: Database, archive: Archive, archived: Database, clock: Clock):
        self._database, self._archive, self._archived = database, archive, archived
        self._clock = clock
        self._known = Known()
        self._events = self._records = 0
        self._taken: tuple[set[int], set[int]] = set(), set()
        self.since = settled_records.complete_since(archived)
        self.replaced = 0

    def steps(self) -> Iterator[float]:
        """Do it; after each part how much is done, from 0 to 1. Close it to give up.

        Raises `Refused` where no record is kept yet.
        """
        last_event, last_record = (
            self._archive.last_number(),
            settled_records.newest(self._archived),
        )
        if not last_record:
            raise Refused(
                "No records of deliveries are archived yet, which runs are built from: they are kept "
                "from this release on."
            )
        with self._database.apart() as connection:
            self._live = self._database.schema_of(connection)
            shadow(connection, _TABLES)
            while self._events < last_event or self._records < last_record:
                with self._transaction(connection) as bulk:
                    self._take_in(bulk)
                read = self._events / (last_event or 1), self._records / last_record
                yield 0.7 * min(1.0, sum(read) / 2)
            yield from self._replace(connection)

    # -- building

    def _take_in(self, bulk: Bulk) -> bool:
        """The next events and records; whether there were any."""
        self._known.refresh(bulk)
        events, records = self._taken
        found = self._archive.after(self._events, EVENTS)
        fresh = [arrival for number, arrival in found if number not in events]
        arrivals.apply(bulk, fresh, self._known)
        batches = settled_records.after(self._archived, self._records, BATCHES, without=records)
        new = counts.not_applied(
            bulk, [Record.read(event) for _, events in batches for event in events],
            self._clock.now(),
        )  # fmt: skip
        settlements.apply(bulk, new, self._known, self._archive)
        letters.mend(bulk, new)
        counts.apply(bulk, [record for record in new if record.at >= self.since])
        if found:
            self._events = found[-1][0]
            events.update(number for number, _ in found)
        if batches:
            self._records = batches[-1].number
            records.update(batch.number for batch in batches)
        self._forget_old()
        return bool(found or batches)

    def _forget_old(self) -> None:
        """Of what was taken in, as much is remembered as is looked at again."""
        since = self._events - AGAIN[0], self._records - AGAIN[1]
        for taken, first, most in zip(self._taken, since, AGAIN, strict=True):
            if len(taken) > 4 * most:
                taken.intersection_update(range(first, first + 2 * most))

    def _catch_up(self, bulk: Bulk) -> None:
        """Take in what came meanwhile; what was taken in already is passed over, or a lock is held long."""
        self._events = max(0, self._events - AGAIN[0])
        self._records = max(0, self._records - AGAIN[1])
        while self._take_in(bulk):
            pass

    # -- replacing

    def _replace(self, connection: Connection) -> Iterator[float]:
        with self._transaction(connection) as bulk:
            total = bulk.rows("SELECT count(DISTINCT correlationid) FROM run_events")[0][0] or 1
        done, after, size = 0, "", RUNS
        while True:
            with self._transaction(connection) as bulk:
                self._catch_up(bulk)  # most of it while nobody waits
            began = self._clock.monotonic()
            with self._transaction(connection, writes=True) as bulk:
                self._catch_up(bulk)
                found = bulk.rows(
                    "SELECT DISTINCT correlationid FROM run_events WHERE correlationid > ?"
                    f" ORDER BY correlationid LIMIT {size}",
                    after,
                )
                ids = [id for (id,) in found]
                if not ids:
                    self._replace_figures(bulk)
                    break
                self._replace_runs(bulk, ids)
            done, after = done + len(ids), ids[-1]
            size = sized(size, self._clock.monotonic() - began)
            yield 0.7 + 0.3 * min(1.0, done / total)
            self._clock.sleep(GAP)
        yield 1.0

    def _replace_runs(self, bulk: Bulk, ids: Sequence[str]) -> None:
        older = bulk.rows(
            f"SELECT correlationid FROM {self._live}.runs WHERE started < ?"
            f" AND {bulk.any_of('correlationid')}",
            self.since,
            bulk.listed(ids),
        )
        wanted = sorted(set(ids) - {id for (id,) in older})
        self._take_over(bulk, wanted)
        derive_runs(bulk, wanted)
        listed = bulk.listed(wanted)
        of_these = bulk.any_of("correlationid")
        for schema, verb in ((f"{self._live}.", "DELETE"), ("", "INSERT")):
            attempts = f"event_id IN (SELECT event_id FROM {schema}run_events WHERE {of_these})"
            self._move(bulk, DeliveryAttempt, verb, attempts, listed)
            for table in _OF_RUNS:
                self._move(bulk, table, verb, of_these, listed)
        self.replaced += len(wanted)

    def _take_over(self, bulk: Bulk, ids: Sequence[str]) -> None:
        """What the live rows know and no record tells: what an operator cancelled, or made needless."""
        listed, of_these = bulk.listed(ids), bulk.any_of("correlationid")
        live = f"{self._live}.deliveries"
        same = "l.event_id = d.event_id AND l.event_source = d.event_source"
        waits = f"{of_these} AND NOT settled AND state = 'waiting'"
        # A delivery that the live rows never expected, of an event that they know.
        bulk.run(
            f"DELETE FROM deliveries AS d WHERE {waits}"
            f" AND EXISTS (SELECT 1 FROM {self._live}.run_events l WHERE {same} AND l.arrived)"
            f" AND NOT EXISTS (SELECT 1 FROM {live} l WHERE {same} AND l.subscription = d.subscription)",
            listed,
        )
        bulk.run(
            f"DELETE FROM deliveries AS d WHERE {waits} AND EXISTS (SELECT 1 FROM {live} l"
            f" WHERE {same} AND l.subscription = d.subscription AND l.state = 'cancelled')",
            listed,
        )
        columns = ", ".join(_columns(Delivery))
        bulk.run(
            f"INSERT INTO deliveries ({columns}) SELECT {columns} FROM {live} WHERE {of_these}"
            " AND state = 'cancelled' ON CONFLICT DO NOTHING",
            listed,
        )

    def _move(self, bulk: Bulk, table: type[SQLModel], verb: str, where: str, *given: Any) -> None:
        live, columns = f"{self._live}.{table.__tablename__}", ", ".join(_columns(table))
        if verb == "DELETE":
            bulk.run(f"DELETE FROM {live} WHERE {where}", *given)
        else:
            bulk.run(
                f"INSERT INTO {live} ({columns}) SELECT {columns} FROM {table.__tablename__}"
                f" WHERE {where} ON CONFLICT DO NOTHING",
                *given,
            )

    def _replace_figures(self, bulk: Bulk) -> None:
        """Of all that is since the archive is complete, but where a record is still to be added."""
        widest = coarse.STEPS[-1]
        first = math.ceil(self.since / 60 / widest) * widest
        end = self._first_not_applied(bulk)
        for table, step in ((Rollup, "1"), (WorkerRollup, "1"), (CoarseRollup, "step")):
            where = f"minute >= ? AND minute + {step} <= ?"
            self._move(bulk, table, "DELETE", where, first, end)
            self._move(bulk, table, "INSERT", where, first, end)

    def _first_not_applied(self, bulk: Bulk) -> int:
        """The minute of the oldest record that is archived, and that the live rows don't have yet."""
        first, number = NEVER, settled_records.newest(self._archived)
        while number > 0:
            number -= LOOK_BACK
            batches = settled_records.after(self._archived, max(0, number), LOOK_BACK)
            records = [Record.read(event) for _, events in batches for event in events]
            there = bulk.rows(
                f"SELECT id FROM {self._live}.applied_records WHERE {bulk.any_of('id')}",
                bulk.listed([record.id for record in records]),
            )
            applied = {id for (id,) in there}
            missing = [int(one.at // 60) for one in records if one.id not in applied]
            if records and not missing:
                break
            first = min([first, *missing])
        return first

    # -- its connection

    @contextmanager
    def _transaction(self, connection: Connection, writes: bool = False) -> Iterator[Bulk]:
        """On SQLite, only one that `writes` to the live tables holds others back."""
        with self._database.on(connection, writes=writes) as session:
            bulk = Bulk(session)
            bulk.lock(LOCK)
            bulk.by_index()
            yield bulk


def sized(size: int, took: float) -> int:
    """How many runs the next part replaces, after one of this size took so long: at most twice as many."""
    fits = size * HELD / max(took, HELD / 2)
    return int(min(RUNS, max(FEWEST, fits)))


def _columns(table: type[SQLModel]) -> list[str]:
    return [column.name for column in table.__table__.columns]  # type: ignore[attr-defined]
