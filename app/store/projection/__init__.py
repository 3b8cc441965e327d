"""From events and records to what the console shows: runs, deliveries, dead letters, rollups.

1. `apply_events`: each event of a run gets a row, and a `waiting` delivery for every
   subscription that wants it (arrivals.py).
2. `apply_records`: each delivery's row takes the state that a record tells (settlements.py);
   what was parked becomes a dead letter, what was replayed closes one (letters.py); counts go
   to the minute's rollup (counts.py).
3. Both work out anew the runs they touched (derive.py).

Guarantees: both are idempotent and take events and records in any order: a
record before its event, twice, attempt 2 before attempt 1. One applier works
at a time, in one transaction per call: two that each saw only their own half
could both leave a finished run open.

Keeps no rows for types whose tracking is `packed`, but for deliveries that their
records single out; none for the system's own topic and lane, which write no records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlmodel import Session

from app.clock import Clock, SystemClock
from app.events.arrival import Arrival
from app.events.event import Event
from app.store.archive import Archive
from app.store.bulk import Bulk
from app.store.database import Database
from app.store.projection import arrivals as events_side
from app.store.projection import counts, letters, settlements, waiting
from app.store.projection.consumers import Known
from app.store.projection.derive import LOCK, derive_runs
from app.store.projection.record import Record, portions


class Projection:
    def __init__(self, database: Database, archive: Archive, clock: Clock | None = None):
        self._database = database
        self._archive = archive
        self._clock = clock or SystemClock()
        self._known = Known()

    def apply_events(self, arrivals: Sequence[Arrival]) -> None:
        """Take note of events that were archived already (`Archive.add` comes first)."""
        if not arrivals:
            return
        with self._database.session() as session:
            bulk = _alone(session)
            self._known.refresh(bulk)
            derive_runs(bulk, events_side.apply(bulk, arrivals, self._known))

    def apply_records(self, records: Iterable[Mapping[str, Any] | Event]) -> None:
        """Take note of records: `penstock.settled` events, or their data.

        Many go in several transactions, so that other writers needn't wait long.
        """
        for some in portions([Record.read(record) for record in records]):
            self._apply_records(some)

    def _apply_records(self, read: Sequence[Record]) -> None:
        with self._database.session() as session:
            bulk = _alone(session)
            self._known.refresh(bulk)
            new = counts.not_applied(bulk, read, self._clock.now())
            touched = settlements.apply(bulk, new, self._known, self._archive)
            letters.apply(session, new, self._clock.now())
            counts.apply(bulk, new)
            derive_runs(bulk, touched)

    def cancel_waiting(self, subscription: str, before: float | None = None) -> int:
        """Cancel what still waits for a subscription, published before a time: it will never come.

        For a subscription that was retired, or moved past its backlog. How many there were.
        """
        with self._database.session() as session:
            bulk = _alone(session)
            touched = waiting.cancel(bulk, subscription, before, self._clock.now())
            derive_runs(bulk, touched)
        return len(touched)

    def refilter(self, subscription: str) -> int:
        """After a change of its filter: forget what waits for a subscription and won't come.

        How many there were.
        """
        with self._database.session() as session:
            bulk = _alone(session)
            self._known.refresh(bulk)
            touched = waiting.refilter(bulk, subscription, self._known, self._archive)
            derive_runs(bulk, touched)
        return len(touched)


def _alone(session: Session) -> Bulk:
    bulk = Bulk(session)
    bulk.lock(LOCK)
    bulk.by_index()
    return bulk
