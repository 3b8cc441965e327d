"""Records to rows: each delivery's newest state, its attempts, and what it announced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from app.store.archive import Archive
from app.store.bulk import Bulk
from app.store.deliveries import Announced, Delivery, DeliveryAttempt, RunEvent
from app.store.projection.arrivals import EVENT_COLUMNS
from app.store.projection.consumers import Known
from app.store.projection.record import UNREADABLE, Record, Settled

_COLUMNS = (
    "event_id", "event_source", "subscription", "type", "correlationid", "generation", "attempt",
    "state", "settled", "published", "started", "ended", "due", "error", "worker", "replay",
)  # fmt: skip
_ATTEMPT_COLUMNS = (
    "event_id", "event_source", "subscription", "generation", "attempt", "state", "started",
    "ended", "error", "traceback", "worker",
)  # fmt: skip


def apply(bulk: Bulk, records: Sequence[Record], known: Known, archive: Archive) -> set[str]:
    """The correlation ids of the runs that changed."""
    told = [settled for record in records for settled in record.deliveries]
    if not told:
        return set()
    _events(bulk, told, known)
    _deliveries(bulk, told)
    _attempts(bulk, [each for each in told if each.attempt > 1 or each.state != "succeeded"])
    _announce(bulk, told, known, archive)
    return {each.correlationid for each in told}


def _events(bulk: Bulk, told: Iterable[Settled], known: Known) -> None:
    """Rows of events that a record tells of first.

    Some have no other row, and never arrive: packed ones, those that can't be read, and those
    that an operator edited for a replay.
    """
    rows = {
        (each.event_id, each.event_source): (
            each.event_id, each.event_source, each.type, each.subject, each.correlationid,
            each.causationid, each.time, each.published,
            each.type in known.packed or each.type == UNREADABLE or each.replay is not None,
        )
        for each in told
    }  # fmt: skip
    ordered = [rows[k] for k in sorted(rows)]
    bulk.insert(RunEvent, EVENT_COLUMNS, ordered, "ON CONFLICT DO NOTHING")


def _deliveries(bulk: Bulk, told: Iterable[Settled]) -> None:
    newest: dict[tuple[str, str, str], Settled] = {}
    for each in told:
        other = newest.get(each.identity)
        if other is None or each.rank > other.rank:
            newest[each.identity] = each
    rows = [_row(newest[identity]) for identity in sorted(newest)]
    bulk.insert(Delivery, _COLUMNS, rows, _NEWER)


def _row(each: Settled) -> tuple[Any, ...]:
    return (
        *each.identity, each.type, each.correlationid, each.generation, each.attempt, each.state,
        each.settled, each.published, each.started, each.ended if each.settled else None,
        each.due, each.error, each.worker, each.replay,
    )  # fmt: skip


# A settled state is never overwritten by an earlier or unsettled one of its generation.
_NEWER = """
ON CONFLICT (event_id, event_source, subscription) DO UPDATE SET
  type = excluded.type, correlationid = excluded.correlationid, generation = excluded.generation,
  attempt = excluded.attempt, state = excluded.state, settled = excluded.settled,
  published = excluded.published, started = excluded.started, ended = excluded.ended,
  due = excluded.due, error = excluded.error, worker = excluded.worker, replay = excluded.replay
WHERE (excluded.generation, excluded.settled, excluded.attempt)
    > (deliveries.generation, deliveries.settled, deliveries.attempt)
"""


def _attempts(bulk: Bulk, told: Sequence[Settled]) -> None:
    if not told:
        return
    rows = {
        (*each.identity, each.generation, each.attempt): (
            *each.identity, each.generation, each.attempt, each.state, each.started, each.ended,
            each.error, each.traceback, each.worker,
        )
        for each in told
    }  # fmt: skip
    ordered = [rows[k] for k in sorted(rows)]
    bulk.insert(DeliveryAttempt, _ATTEMPT_COLUMNS, ordered, "ON CONFLICT DO NOTHING")
    # A delivery began with its first attempt, whichever was told of first.
    bulk.many(
        "UPDATE deliveries SET started = (SELECT MIN(a.started) FROM delivery_attempts a"
        "   WHERE a.event_id = deliveries.event_id AND a.event_source = deliveries.event_source"
        "   AND a.subscription = deliveries.subscription AND a.generation = deliveries.generation)"
        " WHERE event_id = ? AND event_source = ? AND subscription = ? AND generation = ?",
        sorted({(*each.identity, each.generation) for each in told}),
    )


def _announce(bulk: Bulk, told: Iterable[Settled], known: Known, archive: Archive) -> None:
    """Note what was emitted and hasn't arrived: until it has, the run isn't over.

    Whether a packed event has arrived only the archive knows; `Archive.add` comes before
    `apply_events`, so an event that isn't there now will find its announcement later.
    """
    announced = {
        id: (id, each.correlationid, each.ended)
        for each in told
        if each.type not in known.packed
        for id in each.emitted
    }
    if not announced:
        return
    sql = f"SELECT event_id FROM run_events WHERE {bulk.any_of('event_id')}"
    for (id,) in bulk.rows(sql, bulk.listed(announced)):
        announced.pop(id, None)
    if known.packed and announced:
        for id, type in archive.types_of(announced).items():
            if type in known.packed:
                announced.pop(id, None)
    ordered = [announced[id] for id in sorted(announced)]
    columns = ("event_id", "correlationid", "at")
    bulk.insert(Announced, columns, ordered, "ON CONFLICT DO NOTHING")
