"""Our own handlers: the archive and the projector.

They keep SQL, the record, in step with Redis, the river. Both are idempotent;
an error of the database is waited out.
"""

from __future__ import annotations

from functools import lru_cache

from app.events.arrival import Arrival
from app.events.event import Event
from app.events.topics import SETTLED
from app.store import settled_records
from app.streams import keys
from app.streams.entry import Entry
from app.subscriptions.context import Context
from app.subscriptions.declaration import EVERYTHING, on
from app.subscriptions.retry import RetryPolicy

PATIENT = RetryPolicy(attempts=30, base=0.5, cap=60.0)


@on(EVERYTHING, name="penstock.archive", lane="system", batch=2000, retry=PATIENT, timeout=None)
def archive(events: list[Event], ctx: Context) -> None:
    """Keep every event of every topic, and note which runs and deliveries it begins."""
    arrivals = [
        Arrival(event, *_place(entry), entry.raw)
        for event, entry in zip(events, ctx.entries, strict=True)
    ]
    ctx.platform.archive.add(arrivals)
    ctx.platform.projection.apply_events(arrivals)
    ctx.platform.changes.announce("events", "runs")


def _place(entry: Entry) -> tuple[str, int, str]:
    """The topic, partition and position where an event entered its topic."""
    if entry.origin:
        stream, position = entry.origin.split(" ")
        return *_of_stream(stream), position
    return *_of_stream(entry.stream), entry.id.decode()


_of_stream = lru_cache(maxsize=1024)(keys.topic_and_partition)


@on(SETTLED, name="penstock.projector", lane="system", batch=500, retry=PATIENT, timeout=None)
def projector(events: list[Event], ctx: Context) -> None:
    """Keep the records of settled deliveries, and turn them into runs, deliveries, letters and rollups."""
    settled_records.keep(ctx.platform.archive_database, events, [one.raw for one in ctx.entries])
    ctx.platform.projection.apply_records(events)
    changed = {"runs", "subscriptions"}
    for event in events:
        if event.data["counts"]["parked"]:
            changed.add("dead-letters")
        if any(delivery.get("replay") for delivery in event.data["deliveries"]):
            changed |= {"replays", "dead-letters"}
    ctx.platform.changes.announce(*sorted(changed))
