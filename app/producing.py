"""`publish` and `publish_many`: what a producer in Python calls.

Outside of a worker they use a platform built from the environment on first use.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from app import bootstrap
from app.clock import instant
from app.errors import Refused
from app.events.event import Event
from app.events.ids import uuid7

BATCH = 1000


def publish(
    type: str,
    data: Any = None,
    *,
    key: str | None = None,
    subject: str | None = None,
    source: str | None = None,
    id: str | None = None,
    after: float | None = None,
    at: datetime | float | None = None,
    durable: bool = False,
) -> Event:
    """Publish one event; it is in its topic when this returns.

    `key` is the partition key. `after` (seconds from now) or `at` (a datetime
    with a timezone, or seconds since 1970) hold it back until then. With an
    `id` of your own, publishing again within the window changes nothing.
    `durable` waits until it is on Redis's disk (7.2 or newer, append-only file).
    Raises `InvalidEvents`, `EventTooLarge`, `Unavailable` (try again).
    """
    platform = bootstrap.default()
    fields: dict[str, Any] = {"subject": subject, "source": source, "partitionkey": key}
    event = Event(
        type=type,
        data=data,
        id=id or uuid7(),
        time=instant(platform.clock.now()),
        **{name: value for name, value in fields.items() if value is not None},
    )
    due = _due(after, at, platform.clock.now())
    platform.publisher.publish([event], at=due, durable=durable)
    return event


def publish_many(events: Iterable[Event], *, durable: bool = False) -> int:
    """Publish events, in order per partition; how many of them were new.

    A batch of up to 1,000 that holds a bad event is refused as a whole. `durable`: as in `publish`, for each batch.
    """
    publisher, new, batch = bootstrap.default().publisher, 0, []
    for event in events:
        batch.append(event)
        if len(batch) == BATCH:
            new += sum(publisher.publish(batch, durable=durable))
            batch = []
    return new + sum(publisher.publish(batch, durable=durable)) if batch else new


def _due(after: float | None, at: datetime | float | None, now: float) -> float | None:
    if after is not None and at is not None:
        raise Refused("say either after= or at=, not both")
    if not isinstance(after, int | float | None) or not isinstance(
        at, datetime | int | float | None
    ):
        raise Refused("after= takes seconds; at= a datetime with a timezone, or seconds since 1970")
    if after is not None:
        return now + after
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise Refused("at= needs a timezone: use datetime.now(UTC) and the like")
        return at.timestamp()
    return at
