"""Events to rows: one for each event of a run, one for each delivery that will come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.events.arrival import Arrival
from app.events.topics import SYSTEM_TOPIC
from app.store.bulk import Bulk
from app.store.columns import key, key_or_none
from app.store.deliveries import Delivery, RunEvent
from app.store.position import recorded
from app.store.projection.consumers import Known

EVENT_COLUMNS = (
    "event_id", "event_source", "type", "subject", "correlationid", "causationid", "time",
    "published", "arrived",
)  # fmt: skip
_WAITING_COLUMNS = (
    "event_id", "event_source", "subscription", "type", "correlationid", "generation", "attempt",
    "state", "settled", "published",
)  # fmt: skip


def apply(bulk: Bulk, arrivals: Sequence[Arrival], known: Known) -> set[str]:
    """The correlation ids of the runs that changed."""
    events: dict[tuple[str, str], tuple[Any, ...]] = {}
    waiting: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    seen: list[str] = []
    # So it is wherever handlers emit nothing, or all of it has arrived.
    nothing_announced = not bulk.rows("SELECT 1 FROM announced_events LIMIT 1")
    for arrival in arrivals:
        event = arrival.event
        is_packed = event.type in known.packed
        if arrival.topic == SYSTEM_TOPIC or (is_packed and nothing_announced):
            continue
        id, source = key(event.id), key(event.source)
        seen.append(id)
        if is_packed:
            continue
        correlationid = key(event.correlationid or event.id)
        type = key(event.type)
        at = event.recordedtime
        published = at.timestamp() if at else recorded(arrival.position)
        events[id, source] = (
            id, source, type, key_or_none(event.subject), correlationid,
            key_or_none(event.causationid), event.time.timestamp(), published, True,
        )  # fmt: skip
        for name in known.consumers_of(event, published):
            waiting[id, source, name] = (
                id, source, name, type, correlationid, 0, 0, "waiting", False, published,
            )  # fmt: skip
    bulk.insert(RunEvent, EVENT_COLUMNS, [events[k] for k in sorted(events)], _ARRIVED)
    bulk.insert(
        Delivery, _WAITING_COLUMNS, [waiting[k] for k in sorted(waiting)], "ON CONFLICT DO NOTHING"
    )
    kept = set() if nothing_announced else _promises_kept(bulk, seen)
    return {row[4] for row in events.values()} | kept


_ARRIVED = """
ON CONFLICT (event_id, event_source) DO UPDATE SET
  type = excluded.type, subject = excluded.subject, correlationid = excluded.correlationid,
  causationid = excluded.causationid, time = excluded.time, published = excluded.published,
  arrived = excluded.arrived
WHERE NOT run_events.arrived
"""


def _promises_kept(bulk: Bulk, seen: Sequence[str]) -> set[str]:
    """Forget what was announced and is here; the runs it belonged to."""
    ids = bulk.listed(seen)
    found = bulk.rows(
        f"SELECT correlationid FROM announced_events WHERE {bulk.any_of('event_id')}", ids
    )
    if found:
        bulk.run(f"DELETE FROM announced_events WHERE {bulk.any_of('event_id')}", ids)
    return {correlationid for (correlationid,) in found}
